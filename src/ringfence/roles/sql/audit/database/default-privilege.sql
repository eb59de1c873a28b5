-- What tables, sequences, schemas and large objects made later will give to the app or to everybody.
SELECT CASE WHEN a.privilege_type IN ('DELETE', 'TRUNCATE', 'TRIGGER', 'CREATE') THEN 'critical' ELSE 'high' END,
    pg_catalog.format('default privileges of %s%s: %s on %s to %s', pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(d.defaclrole)),
        COALESCE(' in schema ' || pg_catalog.quote_ident(n.nspname), ''), a.privilege_type, k.what, k.who),
    pg_catalog.format('the next %s that %s makes gives the app %s', k.singular, pg_catalog.pg_get_userbyid(d.defaclrole), a.privilege_type),
    'SELECT defaclrole::pg_catalog.regrole, defaclnamespace, defaclobjtype, defaclacl FROM pg_catalog.pg_default_acl',
    pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE %s ON %s FROM %s', pg_catalog.pg_get_userbyid(d.defaclrole),
        COALESCE(' IN SCHEMA ' || pg_catalog.quote_ident(n.nspname), ''), a.privilege_type, k.what, k.who)
FROM pg_catalog.pg_default_acl d
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) a
CROSS JOIN LATERAL (SELECT
    CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' END AS what,
    CASE d.defaclobjtype WHEN 'r' THEN 'table' WHEN 'S' THEN 'sequence' WHEN 'n' THEN 'schema' WHEN 'L' THEN 'large object' END AS singular,
    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS who) k
WHERE a.grantee <> d.defaclrole AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
    AND (d.defaclobjtype = 'r' AND (a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE') OR a.is_grantable)
        OR d.defaclobjtype IN ('S', 'L') AND (a.privilege_type = 'UPDATE' OR a.is_grantable)
        OR d.defaclobjtype = 'n' AND (a.privilege_type = 'CREATE' OR a.is_grantable))
