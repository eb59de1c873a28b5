-- Text search parsers that someone made.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(prs.prsname) AS object,
    to_jsonb(prs) - '{oid,prsname,prsnamespace}'::text[] || jsonb_build_object('extension', (
        SELECT quote_ident(ext.extname)
        FROM pg_catalog.pg_depend AS dep
        JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
        WHERE
            dep.classid = 'pg_catalog.pg_ts_parser'::regclass
            AND dep.objid = prs.oid
            AND dep.deptype = 'e'
    )) AS attributes
FROM pg_catalog.pg_ts_parser AS prs
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = prs.prsnamespace
WHERE prs.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
