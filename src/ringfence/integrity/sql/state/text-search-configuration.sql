-- Text search configurations that someone made, with the dictionaries each kind of token goes through.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(cfg.cfgname) AS object,
    jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(cfg.cfgowner)),
        'parser', (
            SELECT quote_ident(prs.prsname)
            FROM pg_catalog.pg_ts_parser AS prs
            WHERE prs.oid = cfg.cfgparser
        ),
        'mapping', ARRAY(
            SELECT map.maptokentype || ' ' || map.mapdict::regdictionary
            FROM pg_catalog.pg_ts_config_map AS map
            WHERE map.mapcfg = cfg.oid
            ORDER BY map.maptokentype, map.mapseqno
        ),
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_ts_config'::regclass
                AND dep.objid = cfg.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_ts_config AS cfg
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = cfg.cfgnamespace
WHERE cfg.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
