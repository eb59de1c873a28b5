-- Transforms.
SELECT
    format_type(trf.trftype, NULL) || ' FOR ' || quote_ident(lng.lanname) AS object,
    jsonb_build_object(
        'from_sql', trf.trffromsql::regprocedure,
        'to_sql', trf.trftosql::regprocedure,
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_transform'::regclass
                AND dep.objid = trf.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_transform AS trf
JOIN pg_catalog.pg_language AS lng ON lng.oid = trf.trflang
