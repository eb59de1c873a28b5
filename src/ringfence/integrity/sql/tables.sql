-- Every table that holds rows of its own, with its columns in an order that is the same on every server: by name.
-- (The physical order is not: a column added to a parent comes last in a child that had columns of its own, and first
-- in the restored copy.) Domains are followed to their base type. Views, materialized views and foreign tables have no
-- rows to compare; partitioned tables have theirs in their leaves.
WITH RECURSIVE base AS (
    SELECT t.oid AS domain, t.oid AS type, NULL::pg_catalog.int4 AS typmod
    FROM pg_catalog.pg_type AS t
    UNION ALL
    SELECT b.domain, t.typbasetype,
           CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE b.typmod END
    FROM base AS b
    JOIN pg_catalog.pg_type AS t ON t.oid = b.type
    WHERE t.typtype = 'd'
)
SELECT n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       c.oid::pg_catalog.int8 AS oid,
       pg_catalog.pg_relation_filenode(c.oid)::pg_catalog.int8 AS filenode,
       pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8 AS blocks,
       EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
               WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                 AND d.deptype = 'e') AS of_extension,
       coalesce(pg_catalog.pg_relation_filenode(nullif(c.reltoastrelid, 0)), 0)::pg_catalog.int8 AS toast_filenode,
       c.relpersistence = 'p' AS logged,
       c.relam = 2 AS heap,
       -- What decides how the stored bytes are read. A rewrite is seen by the file; what needs none is seen here.
       coalesce((
           SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                      a.attnum, a.attname, a.atttypid::pg_catalog.int8, a.atttypmod, a.attcollation::pg_catalog.int8,
                      a.attnotnull, a.attgenerated, a.attisdropped, a.atthasmissing, a.attmissingval::pg_catalog.text)
                  ORDER BY a.attnum)
           FROM pg_catalog.pg_attribute AS a
           WHERE a.attrelid = c.oid AND a.attnum > 0)::pg_catalog.text, '') AS layout,
       coalesce((
           SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                      'name', a.attname,
                      'type', CASE WHEN t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
                                   THEN t.typname ELSE NULL END,
                      'element', CASE WHEN e.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
                                      THEN e.typname ELSE NULL END,
                      'typmod', CASE WHEN b.typmod IS NULL THEN a.atttypmod ELSE b.typmod END,
                      'not_null', a.attnotnull AND NOT EXISTS (
                          -- From version 18 on a NOT NULL constraint can be there without having been checked.
                          SELECT 1 FROM pg_catalog.pg_constraint AS k
                          WHERE k.conrelid = c.oid AND k.contype = 'n' AND NOT k.convalidated
                            AND k.conkey = ARRAY[a.attnum]),
                      'output_schema', fn.nspname,
                      'output_function', f.proname)
                  ORDER BY a.attname COLLATE "C")
           FROM pg_catalog.pg_attribute AS a
           JOIN base AS b ON b.domain = a.atttypid
           JOIN pg_catalog.pg_type AS t ON t.oid = b.type AND t.typtype <> 'd'
           LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'
           JOIN pg_catalog.pg_proc AS f ON f.oid = t.typoutput
           JOIN pg_catalog.pg_namespace AS fn ON fn.oid = f.pronamespace
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             AND a.attgenerated <> 'v'  -- virtual columns have no stored value; their expression is in the catalog
       ), '[]') AS columns
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
