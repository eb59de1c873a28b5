-- The schemas that a publication holds whole (15+).
SELECT
    quote_ident(pub.pubname) || ' ' || quote_ident(nsp.nspname) AS object,
    '{}'::jsonb AS attributes
FROM pg_catalog.pg_publication_namespace AS entry
JOIN pg_catalog.pg_publication AS pub ON pub.oid = entry.pnpubid
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = entry.pnnspid
