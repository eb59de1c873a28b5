-- Comments on roles, databases and tablespaces.
SELECT
    ident.type || ' ' || ident.identity AS object,
    jsonb_build_object('text', dsc.description) AS attributes
FROM pg_catalog.pg_shdescription AS dsc,
    pg_identify_object(dsc.classoid, dsc.objoid, 0) AS ident
