-- Comments on everything that someone made, and on the schema public. Those on built-in objects are in system.
SELECT
    ident.type || ' ' || ident.identity AS object,
    jsonb_build_object('text', dsc.description) AS attributes
FROM pg_catalog.pg_description AS dsc,
    pg_identify_object(dsc.classoid, dsc.objoid, dsc.objsubid) AS ident
WHERE
    (dsc.objoid >= 16384 OR (dsc.classoid = 'pg_catalog.pg_namespace'::regclass AND dsc.objoid = 2200))
    AND ident.identity !~ '(^| )pg_(toast_)?temp(_[0-9]+)?\.'
