-- Installed extensions.
SELECT
    quote_ident(ext.extname) AS object,
    to_jsonb(ext) - '{oid,extname,extowner,extnamespace,extconfig}'::text[]
    || jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(ext.extowner)),
        'schema', (
            SELECT quote_ident(nsp.nspname)
            FROM pg_catalog.pg_namespace AS nsp
            WHERE nsp.oid = ext.extnamespace
        ),
        'configuration_tables', ARRAY(
            SELECT tab.oid::regclass::text COLLATE "C" FROM unnest(ext.extconfig) AS tab (oid) ORDER BY 1
        )
    ) AS attributes
FROM pg_catalog.pg_extension AS ext
