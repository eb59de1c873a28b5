-- UPDATE on a whole table: keys can be changed, LOCK TABLE is allowed in every mode, and REVOKE of a column does nothing.
SELECT DISTINCT 'low', c.oid::pg_catalog.regclass::pg_catalog.text,
    'UPDATE holds for the whole table: the app can change keys, and LOCK TABLE … ACCESS EXCLUSIVE, before which backups and every reader wait; revoking a column has no effect',
    pg_catalog.format('SELECT pg_catalog.has_table_privilege(%L, %L, ''UPDATE'')', pg_catalog.current_setting('ringfence.app'), c.oid::pg_catalog.regclass),
    pg_catalog.format('REVOKE UPDATE ON %s FROM PUBLIC, %I', c.oid::pg_catalog.regclass, pg_catalog.current_setting('ringfence.app'))
        || COALESCE('; GRANT UPDATE (' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = ''
            AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p' AND a.attnum = ANY (k.conkey)))
        || pg_catalog.format(') ON %s TO %I', c.oid::pg_catalog.regclass, pg_catalog.current_setting('ringfence.app')), '')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, pg_catalog.aclexplode(c.relacl) a
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND a.privilege_type = 'UPDATE' AND a.grantee <> c.relowner
    AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
