-- Schemas. Those of the system are in system-acl, those of temporary tables are nobody's.
SELECT
    quote_ident(nsp.nspname) AS object,
    jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(nsp.nspowner)),
        'acl', ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(coalesce(nsp.nspacl, acldefault('n', nsp.nspowner))) AS item
            ORDER BY 1
        ),
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_namespace'::regclass
                AND dep.objid = nsp.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_namespace AS nsp
WHERE nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$' AND nsp.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
