-- The columns of a unique index over plain columns, all of its table's rows; no row for any other.
SELECT ARRAY(SELECT a.attname::pg_catalog.text
             FROM pg_catalog.unnest(i.indkey[0 : i.indnkeyatts - 1]) AS k (attnum)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = %(oid)s::pg_catalog.oid AND c.relname = %(name)s
  AND i.indisunique AND i.indexprs IS NULL AND i.indpred IS NULL
