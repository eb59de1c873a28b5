-- Encoding conversions that someone made.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(cnv.conname) AS object,
    jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(cnv.conowner)),
        'from', pg_encoding_to_char(cnv.conforencoding),
        'to', pg_encoding_to_char(cnv.contoencoding),
        'function', cnv.conproc::oid::regprocedure,
        'default', cnv.condefault,
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_conversion'::regclass
                AND dep.objid = cnv.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_conversion AS cnv
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = cnv.connamespace
WHERE cnv.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
