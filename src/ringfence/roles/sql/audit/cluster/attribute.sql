-- Attributes of a role that no ACL shows. SUPERUSER and the like are not inherited, but SET ROLE takes them on.
SELECT v.severity,
    pg_catalog.quote_ident(r.rolname) || ' ' || v.attribute,
    pg_catalog.format('%s%s: %s', pg_catalog.current_setting('ringfence.app'),
        CASE WHEN r.rolname = pg_catalog.current_setting('ringfence.app') THEN '' ELSE ' can become ' || r.rolname || ', which' END
        || ' is ' || v.attribute, v.what),
    pg_catalog.format('SELECT %s FROM pg_catalog.pg_roles WHERE rolname = %L', v.col, r.rolname),
    CASE WHEN r.rolname = pg_catalog.current_setting('ringfence.app')
        THEN pg_catalog.format('ALTER ROLE %I NO%s', r.rolname, v.attribute)
        ELSE pg_catalog.format('REVOKE %I FROM %I', r.rolname, pg_catalog.current_setting('ringfence.app')) END
FROM pg_catalog.pg_roles r
CROSS JOIN LATERAL (VALUES
    ('critical', 'SUPERUSER', 'rolsuper', r.rolsuper, 'no right, policy or pg_hba line holds it; it can delete everything and run programs on the server'),
    ('critical', 'CREATEROLE', 'rolcreaterole', r.rolcreaterole, 'up to 15 it can grant itself pg_write_all_data and pg_execute_server_program; from 16 on it can make roles and become them'),
    ('critical', 'REPLICATION', 'rolreplication', r.rolreplication, 'it can copy the whole cluster with every password hash, and hold back WAL until the disk is full'),
    ('high', 'BYPASSRLS', 'rolbypassrls', r.rolbypassrls, 'policies that keep rows from it do not count'),
    ('high', 'CREATEDB', 'rolcreatedb', r.rolcreatedb, 'it can make databases until the disk is full, and owns them')
) v(severity, attribute, col, has, what)
WHERE v.has AND r.oid = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
