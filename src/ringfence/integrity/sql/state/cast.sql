-- Casts that someone made. The built-in ones are in system.
SELECT
    format_type(cst.castsource, NULL) || ' AS ' || format_type(cst.casttarget, NULL) AS object,
    to_jsonb(cst) - '{oid,castsource,casttarget,castfunc}'::text[]
    || jsonb_build_object(
        'function', cst.castfunc::regprocedure,
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_cast'::regclass
                AND dep.objid = cst.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_cast AS cst
WHERE cst.oid >= 16384
