-- Foreign data wrappers. Options may hold secrets: their names, and a keyed digest of each value.
SELECT
    quote_ident(fdw.fdwname) AS object,
    jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(fdw.fdwowner)),
        'acl', ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(coalesce(fdw.fdwacl, acldefault('F', fdw.fdwowner))) AS item
            ORDER BY 1
        ),
        'handler', fdw.fdwhandler::regprocedure,
        'validator', fdw.fdwvalidator::regprocedure,
        'options', ARRAY(
            SELECT split_part(entry, '=', 1) || ' (digest '
                || left(encode(sha256(textsend(%(seed)s::int8::text || ':' || entry)), 'hex'), 32) || ')'
            FROM unnest(fdw.fdwoptions) AS entry
        ),
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_foreign_data_wrapper'::regclass
                AND dep.objid = fdw.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_foreign_data_wrapper AS fdw
