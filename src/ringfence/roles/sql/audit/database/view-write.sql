-- A view that is not security_invoker lends its owner's rights: what the app may write through it needs no right below.
SELECT 'medium', c.oid::pg_catalog.regclass::pg_catalog.text,
    'the app writes through it with the rights of ' || pg_catalog.pg_get_userbyid(c.relowner) || ': rights on columns of the tables below do not hold',
    pg_catalog.format('SELECT reloptions, pg_catalog.pg_get_viewdef(oid) FROM pg_catalog.pg_class WHERE oid = %L::pg_catalog.regclass', c.oid::pg_catalog.regclass),
    CASE WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 150000
        THEN pg_catalog.format('ALTER VIEW %s SET (security_invoker = true)', c.oid::pg_catalog.regclass)
        ELSE pg_catalog.format('REVOKE INSERT, UPDATE ON %s FROM PUBLIC, %I', c.oid::pg_catalog.regclass, pg_catalog.current_setting('ringfence.app')) END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND NOT COALESCE(c.reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1', 'security_invoker=yes']
    -- CASE: or it is asked of the server's own hundred views first, which takes longer than all other rules together.
    AND CASE WHEN n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' THEN (pg_catalog.pg_relation_is_updatable(c.oid, true) & 28) <> 0 END
    AND EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
        WHERE pg_catalog.has_any_column_privilege(r, c.oid, 'INSERT, UPDATE'))
