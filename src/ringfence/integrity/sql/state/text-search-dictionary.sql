-- Text search dictionaries that someone made.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(dct.dictname) AS object,
    jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(dct.dictowner)),
        'template', (
            SELECT quote_ident(tpl.tmplname)
            FROM pg_catalog.pg_ts_template AS tpl
            WHERE tpl.oid = dct.dicttemplate
        ),
        'options', dct.dictinitoption,
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_ts_dict'::regclass
                AND dep.objid = dct.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_ts_dict AS dct
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = dct.dictnamespace
WHERE dct.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
