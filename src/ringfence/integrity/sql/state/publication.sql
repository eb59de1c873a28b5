-- Publications and their tables; row filters as the server prints them, column lists by position. Whole schemas (15+)
-- are in publication-schema.
SELECT
    quote_ident(pub.pubname) AS object,
    to_jsonb(pub) - '{oid,pubname,pubowner}'::text[]
    || jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(pub.pubowner)),
        'tables', ARRAY(
            SELECT (quote_ident(nsp.nspname) || '.' || quote_ident(rel.relname)
                || coalesce(' (' || (to_jsonb(entry) ->> 'prattrs') || ')', '')
                || coalesce(' WHERE ' || (to_jsonb(shown) ->> 'rowfilter'), '')) COLLATE "C"
            FROM pg_catalog.pg_publication_rel AS entry
            JOIN pg_catalog.pg_class AS rel ON rel.oid = entry.prrelid
            JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = rel.relnamespace
            LEFT JOIN pg_catalog.pg_publication_tables AS shown
                ON shown.pubname = pub.pubname AND shown.schemaname = nsp.nspname AND shown.tablename = rel.relname
            WHERE entry.prpubid = pub.oid
            ORDER BY 1
        )
    ) AS attributes
FROM pg_catalog.pg_publication AS pub
