-- Functions that were made for superusers or predefined roles only and that the app may call now.
SELECT DISTINCT 'critical', p.oid::pg_catalog.regprocedure::pg_catalog.text,
    pg_catalog.format('%s may call it, although it came without the right for everybody: such functions read, write or remove files, end sessions or reset statistics',
        CASE WHEN a.grantee = 0 THEN 'everybody' ELSE pg_catalog.pg_get_userbyid(a.grantee) END),
    pg_catalog.format('SELECT pg_catalog.has_function_privilege(%L, %L, ''EXECUTE'')', pg_catalog.current_setting('ringfence.app'), p.oid::pg_catalog.regprocedure),
    pg_catalog.format('REVOKE EXECUTE ON FUNCTION %s FROM %s', p.oid::pg_catalog.regprocedure, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END)
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_init_privs i ON i.objoid = p.oid AND i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass
CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) a
WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.aclexplode(i.initprivs) b WHERE b.privilege_type = 'EXECUTE' AND (b.grantee = 0 OR b.grantee = a.grantee))
    AND a.privilege_type = 'EXECUTE' AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
