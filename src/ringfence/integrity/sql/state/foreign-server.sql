-- Foreign servers. Options may hold secrets: their names, and a keyed digest of each value.
SELECT
    quote_ident(srv.srvname) AS object,
    jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(srv.srvowner)),
        'acl', ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(coalesce(srv.srvacl, acldefault('S', srv.srvowner))) AS item
            ORDER BY 1
        ),
        'wrapper', (
            SELECT quote_ident(fdw.fdwname)
            FROM pg_catalog.pg_foreign_data_wrapper AS fdw
            WHERE fdw.oid = srv.srvfdw
        ),
        'type', srv.srvtype,
        'version', srv.srvversion,
        'options', ARRAY(
            SELECT split_part(entry, '=', 1) || ' (digest '
                || left(encode(sha256(textsend(%(seed)s::int8::text || ':' || entry)), 'hex'), 32) || ')'
            FROM unnest(srv.srvoptions) AS entry
        ),
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_foreign_server'::regclass
                AND dep.objid = srv.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_foreign_server AS srv
