-- CREATE on a schema: a function or operator that fits better is found before the one that was meant, and runs as its caller.
WITH given AS (
    SELECT DISTINCT n.nspname, a.grantee
    FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
    WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner AND n.nspname !~ '^pg_(temp|toast)'
        AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
)
SELECT 'critical',
    pg_catalog.format('schema %I: CREATE to %s', nspname, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END),
    'the app can plant functions, operators and tables there, which run with the rights of an administrator whose statement does not name its schema (CVE-2018-1058)',
    pg_catalog.format('SELECT pg_catalog.has_schema_privilege(%L, %L, ''CREATE'')', pg_catalog.current_setting('ringfence.app'), nspname),
    pg_catalog.format('REVOKE CREATE ON SCHEMA %I FROM %s', nspname, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END)
FROM given
