-- Roles the app role is a member of, directly: the edge is what has to go. What the other role may do on objects is said there.
WITH app AS (
    SELECT oid, rolname FROM pg_catalog.pg_roles WHERE rolname = pg_catalog.current_setting('ringfence.app')
), edges AS (
    SELECT DISTINCT m.roleid, pg_catalog.bool_or(m.admin_option) OVER (PARTITION BY m.roleid) AS admin_option
    FROM pg_catalog.pg_auth_members m JOIN app ON app.oid = m.member
), reached AS (
    SELECT e.roleid AS first_step, g.oid, g.rolname, g.rolsuper
    FROM edges e JOIN pg_catalog.pg_roles g ON g.oid = e.roleid OR pg_catalog.pg_has_role(e.roleid, g.oid, 'MEMBER')
    WHERE NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE oid = e.roleid) OR g.oid = e.roleid
), weighed AS (
    SELECT e.roleid, e.admin_option,
        (SELECT pg_catalog.string_agg(r.rolname, ', ' ORDER BY r.rolname) FROM reached r WHERE r.first_step = e.roleid
            AND (r.rolsuper OR r.rolname IN ('pg_write_all_data', 'pg_execute_server_program', 'pg_write_server_files',
                'pg_database_owner', 'pg_create_subscription'))) AS deadly,
        (SELECT pg_catalog.string_agg(r.rolname, ', ' ORDER BY r.rolname) FROM reached r WHERE r.first_step = e.roleid
            AND r.rolname IN ('pg_read_server_files', 'pg_maintain', 'pg_signal_backend', 'pg_read_all_data', 'pg_monitor',
                'pg_checkpoint', 'pg_use_reserved_connections', 'pg_signal_autovacuum_worker')) AS risky
    FROM edges e
)
SELECT CASE WHEN w.deadly IS NOT NULL THEN 'critical' WHEN w.risky IS NOT NULL OR w.admin_option THEN 'high' ELSE 'medium' END,
    pg_catalog.quote_ident(g.rolname),
    app.rolname || ' is a member of ' || g.rolname || ' and can take on its rights with SET ROLE, inherited or not'
        || COALESCE('; that leads to ' || w.deadly || ': every row can be deleted, or programs run on the server', '')
        || COALESCE('; that leads to ' || w.risky, '')
        || CASE WHEN w.admin_option THEN '; it may also hand the membership on' ELSE '' END,
    pg_catalog.format('SELECT pg_catalog.pg_has_role(%L, %L, ''MEMBER'')', app.rolname, g.rolname),
    pg_catalog.format('REVOKE %I FROM %I', g.rolname, app.rolname)
FROM weighed w JOIN pg_catalog.pg_roles g ON g.oid = w.roleid CROSS JOIN app
WHERE g.rolname <> ALL (pg_catalog.current_setting('ringfence.member_of')::pg_catalog.text[]) OR w.deadly IS NOT NULL
