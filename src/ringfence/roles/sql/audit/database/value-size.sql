-- Values without a bound: one of half a gigabyte and pg_dump cannot read the row any more, so no backup can be taken.
SELECT 'low', pg_catalog.format('%s.%I', c.oid::pg_catalog.regclass, a.attname),
    'the app can store a value so large that pg_dump fails on its row: from then on no backup can be made',
    pg_catalog.format('SELECT pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint WHERE conrelid = %L::pg_catalog.regclass AND contype = ''c''', c.oid::pg_catalog.regclass),
    pg_catalog.format('ALTER TABLE %s ADD CHECK (pg_catalog.octet_length(%I) <= 50000000) NOT VALID', c.oid::pg_catalog.regclass, a.attname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND (a.atttypid IN ('pg_catalog.text'::pg_catalog.regtype, 'pg_catalog.bytea'::pg_catalog.regtype)
        OR a.atttypid = 'pg_catalog.varchar'::pg_catalog.regtype AND a.atttypmod = -1)
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)
        AND pg_catalog.pg_get_constraintdef(k.oid) ~ 'length|= ANY|^CHECK \(\(\(?"?[^ ]+ = ')
    AND EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
        WHERE pg_catalog.has_column_privilege(r, c.oid, a.attnum, 'INSERT') OR pg_catalog.has_column_privilege(r, c.oid, a.attnum, 'UPDATE'))
