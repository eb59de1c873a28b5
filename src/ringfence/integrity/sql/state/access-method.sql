-- Access methods that someone made.
SELECT
    quote_ident(am.amname) AS object,
    jsonb_build_object('type', am.amtype, 'handler', am.amhandler, 'extension', (
        SELECT quote_ident(ext.extname)
        FROM pg_catalog.pg_depend AS dep
        JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
        WHERE
            dep.classid = 'pg_catalog.pg_am'::regclass
            AND dep.objid = am.oid
            AND dep.deptype = 'e'
    )) AS attributes
FROM pg_catalog.pg_am AS am
WHERE am.oid >= 16384
