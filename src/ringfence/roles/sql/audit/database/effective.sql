-- The safety net: what has_table_privilege says and no entry, ownership or known role explains.
SELECT 'critical', pg_catalog.format('%s: %s', c.oid::pg_catalog.regclass, p.privilege),
    pg_catalog.format('%s has %s on it, and no entry of an access list explains why', r.rolname, p.privilege),
    pg_catalog.format('SELECT pg_catalog.has_table_privilege(%L, %L, %L)', r.rolname, c.oid::pg_catalog.regclass, p.privilege),
    pg_catalog.format('REVOKE %s ON %s FROM %I', p.privilege, c.oid::pg_catalog.regclass, r.rolname)
FROM pg_catalog.pg_roles r
CROSS JOIN pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN (VALUES ('DELETE'), ('TRUNCATE'), ('TRIGGER')) p(privilege)
WHERE r.oid = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND pg_catalog.has_table_privilege(r.oid, c.oid, p.privilege)
    AND NOT r.rolsuper AND c.relowner <> ALL (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
    AND NOT (p.privilege = 'DELETE' AND (SELECT pg_catalog.bool_or(w.rolname = 'pg_write_all_data') FROM pg_catalog.pg_roles w
        WHERE w.oid = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])))
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.aclexplode(c.relacl) a WHERE a.privilege_type = p.privilege
        AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])))
