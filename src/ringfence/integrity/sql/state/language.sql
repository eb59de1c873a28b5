-- Procedural languages, the built-in ones too: a superuser can make an untrusted one trusted.
SELECT
    quote_ident(lng.lanname) AS object,
    to_jsonb(lng) - '{
        oid, lanname, lanowner, lanplcallfoid, laninline, lanvalidator, lanacl
    }'::text[]
    || jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(lng.lanowner)),
        'acl', ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(coalesce(lng.lanacl, acldefault('l', lng.lanowner))) AS item
            ORDER BY 1
        ),
        'handler', lng.lanplcallfoid::regprocedure,
        'inline_handler', lng.laninline::regprocedure,
        'validator', lng.lanvalidator::regprocedure,
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_language'::regclass
                AND dep.objid = lng.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_language AS lng
