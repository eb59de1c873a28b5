-- Values without a bound: one of half a gigabyte (of jsonb, a quarter) and pg_dump cannot read the row any more, so no
-- backup can be taken. Domains are what they are made of.
WITH RECURSIVE sized AS (
    SELECT t.oid, CASE WHEN t.typname IN ('text', 'bytea', 'varchar', 'citext') THEN 'octet_length' ELSE 'pg_column_size' END AS measure, t.typname = 'varchar' AS narrowed, false AS bounded
    FROM pg_catalog.pg_type t
    WHERE t.typtype = 'b' AND (t.typname IN ('text', 'bytea', 'varchar', 'json', 'jsonb', 'xml', 'citext', 'hstore') OR t.typlen = -1 AND t.typelem <> 0 AND t.typcategory = 'A')
    UNION ALL
    SELECT t.oid, s.measure, s.narrowed, s.bounded OR s.narrowed AND t.typtypmod >= 0 OR EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k
        WHERE k.contypid = t.oid AND pg_catalog.pg_get_constraintdef(k.oid) ~ 'length|pg_column_size|= ANY')
    FROM pg_catalog.pg_type t JOIN sized s ON s.oid = t.typbasetype WHERE t.typtype = 'd'
)
SELECT 'low', pg_catalog.format('%s.%I', c.oid::pg_catalog.regclass, a.attname),
    'the app can store a value so large that pg_dump fails on its row: from then on no backup can be made',
    pg_catalog.format('SELECT pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint WHERE conrelid = %L::pg_catalog.regclass AND contype = ''c''', c.oid::pg_catalog.regclass),
    pg_catalog.format('ALTER TABLE %s ADD CHECK (pg_catalog.%s(%I) <= 50000000) NOT VALID', c.oid::pg_catalog.regclass, s.measure, a.attname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN sized s ON s.oid = a.atttypid AND NOT s.bounded AND NOT (s.narrowed AND a.atttypmod >= 0)
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)
        AND pg_catalog.pg_get_constraintdef(k.oid) ~ 'length|pg_column_size|= ANY|^CHECK \(\(\(?"?[^ ]+ = ')
    AND EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
        WHERE pg_catalog.has_column_privilege(r, c.oid, a.attnum, 'INSERT') OR pg_catalog.has_column_privilege(r, c.oid, a.attnum, 'UPDATE'))
