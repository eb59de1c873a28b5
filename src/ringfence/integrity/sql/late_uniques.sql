-- Unique constraints of the given tables that are checked at the end of a transaction, by a trigger that a replica's
-- session does not fire.
SELECT con.conname::pg_catalog.text, con.conrelid::pg_catalog.int8,
       ARRAY(SELECT a.attname::pg_catalog.text
             FROM pg_catalog.unnest(con.conkey) AS part (number)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = con.conrelid AND a.attnum = part.number)
FROM pg_catalog.pg_constraint AS con
WHERE con.contype IN ('u', 'p') AND con.condeferrable AND con.conrelid = ANY (%(tables)s::pg_catalog.oid[])
ORDER BY 1
