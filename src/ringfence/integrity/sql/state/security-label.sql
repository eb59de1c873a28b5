-- Security labels.
SELECT
    ident.type || ' ' || ident.identity || ' by ' || quote_ident(lbl.provider) AS object,
    jsonb_build_object('label', lbl.label) AS attributes
FROM pg_catalog.pg_seclabel AS lbl,
    pg_identify_object(lbl.classoid, lbl.objoid, lbl.objsubid) AS ident
WHERE ident.identity !~ '(^| )pg_(toast_)?temp(_[0-9]+)?\.'
