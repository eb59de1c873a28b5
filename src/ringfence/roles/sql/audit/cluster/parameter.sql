-- GRANT … ON PARAMETER (15 and newer).
SELECT 'critical', 'parameter ' || p.parname,
    pg_catalog.format('%s may %s %s%s', pg_catalog.current_setting('ringfence.app'),
        CASE a.privilege_type WHEN 'SET' THEN 'set' ELSE 'ALTER SYSTEM SET' END, p.parname,
        CASE p.parname WHEN 'session_replication_role' THEN ': with replica it switches triggers and foreign keys off' ELSE ', which is for superusers' END),
    pg_catalog.format('SELECT pg_catalog.has_parameter_privilege(%L, %L, %L)', pg_catalog.current_setting('ringfence.app'), p.parname, a.privilege_type),
    pg_catalog.format('REVOKE %s ON PARAMETER %s FROM %s', a.privilege_type, p.parname,
        CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END)
FROM pg_catalog.pg_parameter_acl p, pg_catalog.aclexplode(p.paracl) a
WHERE a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
