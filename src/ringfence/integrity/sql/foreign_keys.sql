-- Foreign keys of which one end is among the given tables, a partition of it counting as the table above: enforced and
-- validated ones, because others promise nothing about the rows that are there. Each with the operators that compare.
SELECT
    con.conname::pg_catalog.text AS name,
    child_schema.nspname::pg_catalog.text, child.relname::pg_catalog.text, child.relkind = 'p',
    parent_schema.nspname::pg_catalog.text, parent.relname::pg_catalog.text, parent.relkind = 'p',
    (SELECT pg_catalog.jsonb_agg(
         pg_catalog.jsonb_build_array(own.attname, other.attname, operator_schema.nspname, operator.oprname)
         ORDER BY part.number)
     FROM ROWS FROM (pg_catalog.unnest(con.conkey), pg_catalog.unnest(con.confkey), pg_catalog.unnest(con.conpfeqop))
          WITH ORDINALITY AS part (here, there, equal, number)
     JOIN pg_catalog.pg_attribute AS own ON own.attrelid = con.conrelid AND own.attnum = part.here
     JOIN pg_catalog.pg_attribute AS other ON other.attrelid = con.confrelid AND other.attnum = part.there
     JOIN pg_catalog.pg_operator AS operator ON operator.oid = part.equal
     JOIN pg_catalog.pg_namespace AS operator_schema ON operator_schema.oid = operator.oprnamespace) AS columns
FROM pg_catalog.pg_constraint AS con
JOIN pg_catalog.pg_class AS child ON child.oid = con.conrelid
JOIN pg_catalog.pg_namespace AS child_schema ON child_schema.oid = child.relnamespace
JOIN pg_catalog.pg_class AS parent ON parent.oid = con.confrelid
JOIN pg_catalog.pg_namespace AS parent_schema ON parent_schema.oid = parent.relnamespace
WHERE con.contype = 'f' AND con.conparentid = 0 AND con.convalidated
  AND coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::pg_catalog.bool, true)
  AND NOT coalesce((pg_catalog.to_jsonb(con) ->> 'conperiod')::pg_catalog.bool, false)
  AND EXISTS (
      SELECT 1
      FROM pg_catalog.unnest(%(tables)s::pg_catalog.oid[]) AS given (oid)
      WHERE given.oid IN (con.conrelid, con.confrelid)
         OR EXISTS (SELECT 1 FROM pg_catalog.pg_partition_ancestors(given.oid) AS above (oid)
                    WHERE above.oid IN (con.conrelid, con.confrelid)))
ORDER BY 2, 3, 1
