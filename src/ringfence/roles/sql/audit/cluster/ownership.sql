-- Databases and tablespaces the app can take for its own, and objects in databases that nobody can look into.
SELECT 'critical',
    CASE WHEN s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass THEN 'database ' ELSE 'tablespace ' END
        || pg_catalog.quote_ident(COALESCE(d.datname, t.spcname)),
    pg_catalog.current_setting('ringfence.app') || ' owns it'
        || CASE WHEN r.rolname = pg_catalog.current_setting('ringfence.app') THEN '' ELSE ' through ' || r.rolname END
        || CASE WHEN d.datname IS NOT NULL THEN ': it can drop the database, and owns what belongs to pg_database_owner, so it can drop every table of the schema public' ELSE '' END,
    pg_catalog.format('SELECT pg_catalog.pg_get_userbyid(%s)', COALESCE(d.datdba, t.spcowner)),
    pg_catalog.format('ALTER %s %I OWNER TO %I',
        CASE WHEN d.datname IS NOT NULL THEN 'DATABASE' ELSE 'TABLESPACE' END, COALESCE(d.datname, t.spcname),
        pg_catalog.current_setting('ringfence.admin'))
FROM pg_catalog.pg_shdepend s
JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.objid AND s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
LEFT JOIN pg_catalog.pg_tablespace t ON t.oid = s.objid AND s.classid = 'pg_catalog.pg_tablespace'::pg_catalog.regclass
WHERE s.deptype = 'o' AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.dbid = 0
    AND s.refobjid = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
    AND COALESCE(d.datname, t.spcname) IS NOT NULL
UNION ALL
SELECT 'high', 'database ' || pg_catalog.quote_ident(d.datname),
    pg_catalog.format('%s owns %s objects in a database that allows no connections, so what they are cannot be seen',
        pg_catalog.current_setting('ringfence.app'), pg_catalog.count(*)),
    pg_catalog.format('SELECT classid, objid FROM pg_catalog.pg_shdepend WHERE dbid = %s AND deptype = ''o''', d.oid),
    pg_catalog.format('ALTER DATABASE %I ALLOW_CONNECTIONS true', d.datname)
FROM pg_catalog.pg_shdepend s JOIN pg_catalog.pg_database d ON d.oid = s.dbid
WHERE s.deptype = 'o' AND NOT d.datallowconn AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
    AND s.refobjid = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
GROUP BY d.datname, d.oid
