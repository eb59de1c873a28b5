-- Extended statistics: their definition, not what ANALYZE found.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(stx.stxname) AS object,
    jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(stx.stxowner)),
        'definition', pg_get_statisticsobjdef(stx.oid),
        'statistics_target', nullif(stx.stxstattarget, -1),
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_statistic_ext'::regclass
                AND dep.objid = stx.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_statistic_ext AS stx
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = stx.stxnamespace
WHERE nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
