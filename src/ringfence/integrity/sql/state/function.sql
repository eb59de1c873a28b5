-- Functions, procedures, window functions and aggregates. pg_get_functiondef refuses aggregates, so theirs is made of
-- the rows of pg_aggregate; names of functions and types instead of oids.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(pro.proname)
        || '(' || pg_get_function_identity_arguments(pro.oid) || ')' AS object,
    to_jsonb(pro) - '{
        oid, proname, pronamespace, proowner, prolang, provariadic, pronargs, pronargdefaults, prorettype,
        proargtypes, proallargtypes, proargmodes, proargnames, proargdefaults, protrftypes, prosrc, probin,
        prosqlbody, proconfig, proacl
    }'::text[]
    || jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(pro.proowner)),
        'acl', ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(coalesce(pro.proacl, acldefault('f', pro.proowner))) AS item
            ORDER BY 1
        ),
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_proc'::regclass
                AND dep.objid = pro.oid
                AND dep.deptype = 'e'
        ),
        'result', pg_get_function_result(pro.oid),
        'settings', pro.proconfig,
        'definition', CASE WHEN pro.prokind <> 'a' THEN pg_get_functiondef(pro.oid) END,
        'aggregate', (
            SELECT to_jsonb(agg) - '{aggfnoid,aggsortop,aggtranstype,aggmtranstype}'::text[]
                || jsonb_build_object(
                    'sort', agg.aggsortop::regoperator,
                    'state', format_type(agg.aggtranstype, NULL),
                    'moving_state', format_type(agg.aggmtranstype, NULL)
                )
            FROM pg_catalog.pg_aggregate AS agg
            WHERE agg.aggfnoid = pro.oid
        )
    ) AS attributes
FROM pg_catalog.pg_proc AS pro
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = pro.pronamespace
WHERE pro.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
