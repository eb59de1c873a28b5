-- Collations that someone made. The recorded version stays: only ALTER COLLATION changes it, no other work does.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(col.collname) AS object,
    to_jsonb(col) - '{oid,collname,collnamespace,collowner}'::text[]
    || jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(col.collowner)),
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_collation'::regclass
                AND dep.objid = col.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_collation AS col
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = col.collnamespace
WHERE col.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
