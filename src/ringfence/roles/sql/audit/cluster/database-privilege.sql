-- What a database itself gives to the app or to everybody: CREATE makes schemas and extensions, TEMP shadows tables and fills the disk.
WITH given AS (
    SELECT DISTINCT d.oid, d.datname, a.grantee, a.privilege_type
    FROM pg_catalog.pg_database d
    CROSS JOIN LATERAL pg_catalog.aclexplode(COALESCE(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
    WHERE d.datallowconn AND a.grantee <> d.datdba
        AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
), named AS (
    SELECT g.*, CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END AS who
    FROM given g LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
)
SELECT CASE WHEN n.privilege_type = 'CREATE' THEN 'high' ELSE 'low' END,
    pg_catalog.format('database %I: %s to %s', n.datname, n.privilege_type, n.who),
    CASE n.privilege_type
        WHEN 'CREATE' THEN 'the app can make schemas (one named like the administrator is first on its search path, so that it reads forged tables) and install trusted extensions'
        WHEN 'TEMPORARY' THEN 'the app can make temporary tables: they shadow tables of the same name in a pooled session, and fill the disk whatever temp_file_limit says'
        ELSE 'the app can connect to a database that is not its own and look for rights there' END,
    pg_catalog.format('SELECT pg_catalog.has_database_privilege(%L, %L, %L)', pg_catalog.current_setting('ringfence.app'), n.datname, n.privilege_type),
    pg_catalog.format('REVOKE %s ON DATABASE %I FROM %s', n.privilege_type, n.datname, n.who)
FROM named n
WHERE n.privilege_type IN ('CREATE', 'TEMPORARY')
        AND (n.privilege_type = 'CREATE' OR n.datname = pg_catalog.current_setting('ringfence.database'))
    OR n.privilege_type = 'CONNECT' AND n.datname <> pg_catalog.current_setting('ringfence.database')
