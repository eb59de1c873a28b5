-- Rights the app may hand on.
WITH given AS (
    SELECT 'TABLE' AS kind, c.oid::pg_catalog.regclass::pg_catalog.text AS object, a.* FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a WHERE c.relkind <> 'S' AND a.grantee <> c.relowner
    UNION ALL SELECT 'SEQUENCE', c.oid::pg_catalog.regclass::pg_catalog.text, a.* FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a WHERE c.relkind = 'S' AND a.grantee <> c.relowner
    UNION ALL SELECT 'TABLE', t.attrelid::pg_catalog.regclass::pg_catalog.text, a.grantor, a.grantee, a.privilege_type || ' (' || pg_catalog.quote_ident(t.attname) || ')', a.is_grantable FROM pg_catalog.pg_attribute t, pg_catalog.aclexplode(t.attacl) a
    UNION ALL SELECT 'SCHEMA', pg_catalog.quote_ident(n.nspname), a.* FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner
    UNION ALL SELECT 'ROUTINE', p.oid::pg_catalog.regprocedure::pg_catalog.text, a.* FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) a WHERE a.grantee <> p.proowner
    UNION ALL SELECT 'DATABASE', pg_catalog.quote_ident(d.datname), a.* FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a WHERE d.datname = pg_catalog.current_database() AND a.grantee <> d.datdba
)
SELECT DISTINCT 'high', pg_catalog.format('%s %s: %s', pg_catalog.lower(kind), object, privilege_type),
    pg_catalog.format('%s may hand this right on to any role: taking it from the app then does not take it from them', pg_catalog.pg_get_userbyid(grantee)),
    'SELECT pg_catalog.aclexplode(relacl) FROM pg_catalog.pg_class WHERE oid = ' || pg_catalog.quote_literal(object) || '::pg_catalog.regclass',
    pg_catalog.format('REVOKE GRANT OPTION FOR %s ON %s %s FROM %I CASCADE', privilege_type, kind, object, pg_catalog.pg_get_userbyid(grantee))
FROM given WHERE is_grantable AND grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
