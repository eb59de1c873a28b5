-- Which sequences there are. Their values are then read in groups: pg_sequence_last_value() hides the value of a
-- sequence that is not called yet and keeps a lock on each to the end of the transaction.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(rel.relname) AS object,
    jsonb_build_object('schema', nsp.nspname, 'name', rel.relname) AS attributes
FROM pg_catalog.pg_class AS rel
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = rel.relnamespace
WHERE rel.relkind = 'S' AND rel.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
