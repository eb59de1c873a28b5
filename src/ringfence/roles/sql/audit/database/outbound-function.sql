-- Extensions whose functions open connections or files from the server's own place.
SELECT DISTINCT ON (e.extname) CASE WHEN e.extname ~ '^(dblink|adminpack|file_fdw|pg_cron|plperlu|plpython\d?u)$' THEN 'high' ELSE 'medium' END,
    'extension ' || pg_catalog.quote_ident(e.extname),
    'the app may call ' || p.oid::pg_catalog.regprocedure::pg_catalog.text || ': it works from the server''s own address and account, where pg_hba may ask for less',
    pg_catalog.format('SELECT pg_catalog.has_function_privilege(%L, %L, ''EXECUTE'')', pg_catalog.current_setting('ringfence.app'), p.oid::pg_catalog.regprocedure),
    pg_catalog.format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', n.nspname)
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'
JOIN pg_catalog.pg_proc p ON p.oid = d.objid JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE e.extname IN ('dblink', 'adminpack', 'pg_cron', 'lo', 'http', 'pg_net', 'orafce', 'pageinspect', 'pg_surgery', 'pg_visibility', 'pgstattuple')
    AND n.nspname <> 'pg_catalog' AND p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
    AND EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r WHERE pg_catalog.has_schema_privilege(r, n.oid, 'USAGE')
        AND pg_catalog.has_function_privilege(r, p.oid, 'EXECUTE'))
ORDER BY e.extname, p.proname <> 'dblink_connect', p.oid
