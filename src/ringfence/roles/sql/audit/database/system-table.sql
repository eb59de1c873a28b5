-- Catalogs and other tables of the server or an extension that came without a right the app has now (password verifiers in pg_authid).
SELECT DISTINCT 'high', pg_catalog.format('%s: %s to %s', c.oid::pg_catalog.regclass, a.privilege_type || COALESCE(' (' || pg_catalog.quote_ident(g.col) || ')', ''), k.who),
    'it came without this right: catalogs hold password verifiers, connection strings and statistics of values the app may not read',
    pg_catalog.format(CASE WHEN g.col IS NULL THEN 'SELECT relacl FROM pg_catalog.pg_class WHERE oid = %L::pg_catalog.regclass'
        ELSE 'SELECT attname, attacl FROM pg_catalog.pg_attribute WHERE attrelid = %L::pg_catalog.regclass' END, c.oid::pg_catalog.regclass),
    pg_catalog.format('REVOKE %s ON %s FROM %s', a.privilege_type || COALESCE(' (' || pg_catalog.quote_ident(g.col) || ')', ''), c.oid::pg_catalog.regclass, k.who)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT NULL::pg_catalog.name AS col, 0 AS number, c.relacl AS acl
    UNION ALL SELECT t.attname, t.attnum, t.attacl FROM pg_catalog.pg_attribute t WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL) g
CROSS JOIN LATERAL pg_catalog.aclexplode(g.acl) a
CROSS JOIN LATERAL (SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS who) k
WHERE (n.nspname = 'pg_catalog' OR n.nspname = 'information_schema' AND a.privilege_type <> 'SELECT')
    AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
    AND NOT EXISTS (
        SELECT 1 FROM pg_catalog.pg_init_privs i, pg_catalog.aclexplode(i.initprivs) b
        WHERE i.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.objoid = c.oid AND i.objsubid = g.number
            AND b.privilege_type = a.privilege_type AND (b.grantee = 0 OR b.grantee = a.grantee))
