-- The names of relations by the number of their file, as `pages` takes them.
SELECT pg_catalog.pg_relation_filenode(c.oid)::pg_catalog.int8,
       pg_catalog.format('%%I.%%I', n.nspname, c.relname)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 't') AND c.relpersistence = 'p'
  AND pg_catalog.pg_relation_filenode(c.oid)::pg_catalog.int8 = ANY (%(files)s::pg_catalog.int8[])
