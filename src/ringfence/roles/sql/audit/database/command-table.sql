-- Tables whose text looks like statements that somebody with more rights runs later (job queues, pg_cron).
SELECT 'medium', pg_catalog.format('%s.%I', c.oid::pg_catalog.regclass, a.attname),
    'the app may write it, and by its name it holds statements: whoever runs them runs the app''s text with his own rights',
    pg_catalog.format('SELECT pg_catalog.has_column_privilege(%L, %L, %L, ''UPDATE'')', pg_catalog.current_setting('ringfence.app'), c.oid::pg_catalog.regclass, a.attname),
    pg_catalog.format('REVOKE INSERT, UPDATE ON %s FROM PUBLIC, %I', c.oid::pg_catalog.regclass, pg_catalog.current_setting('ringfence.app'))
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND a.attname ~* '^(sql|query|command|cmd|statement|stmt|script|code|ddl)(_?text)?$'
    AND a.atttypid IN ('pg_catalog.text'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype)
    AND (a.attname !~* '^code$')
    AND EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
        WHERE pg_catalog.has_column_privilege(r, c.oid, a.attnum, 'INSERT') OR pg_catalog.has_column_privilege(r, c.oid, a.attnum, 'UPDATE'))
