-- Large objects the app owns or may write: lo_unlink and lo_truncate ask for no DELETE.
SELECT CASE WHEN a.grantee IS NULL THEN 'high' ELSE 'critical' END,
    'large object ' || m.oid,
    CASE WHEN a.grantee IS NULL THEN 'the app owns it: lo_unlink removes it, and no row count of a table changes'
        ELSE 'the app may write it: lo_truncate empties it, and no row count of a table changes' END,
    pg_catalog.format('SELECT lomowner::pg_catalog.regrole, lomacl FROM pg_catalog.pg_largeobject_metadata WHERE oid = %s', m.oid),
    CASE WHEN a.grantee IS NULL
        THEN pg_catalog.format('ALTER LARGE OBJECT %s OWNER TO %I; GRANT SELECT ON LARGE OBJECT %s TO %I', m.oid, pg_catalog.current_setting('ringfence.admin'), m.oid, pg_catalog.current_setting('ringfence.app'))
        ELSE pg_catalog.format('REVOKE UPDATE ON LARGE OBJECT %s FROM %s', m.oid, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END) END
FROM pg_catalog.pg_largeobject_metadata m
LEFT JOIN LATERAL pg_catalog.aclexplode(m.lomacl) a ON a.privilege_type = 'UPDATE' AND a.grantee <> m.lomowner
    AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
WHERE a.grantee IS NOT NULL OR m.lomowner = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
