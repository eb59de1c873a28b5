-- Text search templates that someone made.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(tpl.tmplname) AS object,
    to_jsonb(tpl) - '{oid,tmplname,tmplnamespace}'::text[] || jsonb_build_object('extension', (
        SELECT quote_ident(ext.extname)
        FROM pg_catalog.pg_depend AS dep
        JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
        WHERE
            dep.classid = 'pg_catalog.pg_ts_template'::regclass
            AND dep.objid = tpl.oid
            AND dep.deptype = 'e'
    )) AS attributes
FROM pg_catalog.pg_ts_template AS tpl
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = tpl.tmplnamespace
WHERE tpl.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
