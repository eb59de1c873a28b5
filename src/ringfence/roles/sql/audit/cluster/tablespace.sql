-- CREATE on a tablespace that is not the app's own.
SELECT 'low', 'tablespace ' || pg_catalog.quote_ident(t.spcname),
    'the app can put temporary files and tables there and fill that disk',
    pg_catalog.format('SELECT pg_catalog.has_tablespace_privilege(%L, %L, ''CREATE'')', pg_catalog.current_setting('ringfence.app'), t.spcname),
    pg_catalog.format('REVOKE CREATE ON TABLESPACE %I FROM %s', t.spcname,
        CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END)
FROM pg_catalog.pg_tablespace t, pg_catalog.aclexplode(t.spcacl) a
WHERE a.grantee <> t.spcowner AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
