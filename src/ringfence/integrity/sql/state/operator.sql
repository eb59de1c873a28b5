-- Operators that someone made.
SELECT
    quote_ident(nsp.nspname) || '.' || opr.oprname
        || '(' || CASE WHEN opr.oprleft = 0 THEN 'NONE' ELSE format_type(opr.oprleft, NULL) END
        || ', ' || CASE WHEN opr.oprright = 0 THEN 'NONE' ELSE format_type(opr.oprright, NULL) END || ')' AS object,
    to_jsonb(opr) - '{
        oid, oprname, oprnamespace, oprowner, oprleft, oprright, oprresult, oprcom, oprnegate, oprcode
    }'::text[]
    || jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(opr.oprowner)),
        'result', format_type(opr.oprresult, NULL),
        'function', opr.oprcode::oid::regprocedure,
        'commutator', opr.oprcom::regoperator,
        'negator', opr.oprnegate::regoperator,
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_operator'::regclass
                AND dep.objid = opr.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_operator AS opr
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = opr.oprnamespace
WHERE opr.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
