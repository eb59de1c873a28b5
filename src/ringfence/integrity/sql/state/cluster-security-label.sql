-- Security labels on roles, databases and tablespaces.
SELECT
    ident.type || ' ' || ident.identity || ' by ' || quote_ident(lbl.provider) AS object,
    jsonb_build_object('label', lbl.label) AS attributes
FROM pg_catalog.pg_shseclabel AS lbl,
    pg_identify_object(lbl.classoid, lbl.objoid, 0) AS ident
