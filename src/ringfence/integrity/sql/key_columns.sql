-- The columns that tell one row of a table from another: the primary key, or else the smallest unique index over
-- columns that are NOT NULL, without a predicate or an expression. No row where there is none. By name, because their
-- order in the index says nothing about the rows.
SELECT ARRAY(
           SELECT a.attname::pg_catalog.text
           FROM pg_catalog.unnest(i.indkey[0 : i.indnkeyatts - 1]) AS k (attnum)
           JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
           ORDER BY a.attname COLLATE "C")
FROM pg_catalog.pg_index AS i
WHERE i.indrelid = %(oid)s::pg_catalog.oid
  AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  AND NOT EXISTS (
      SELECT 1
      FROM pg_catalog.unnest(i.indkey[0 : i.indnkeyatts - 1]) AS k (attnum)
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
      WHERE NOT a.attnotnull)
ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid
LIMIT 1
