-- Which operating system or certificate name may be which role, as the file says now (15+).
SELECT
    'pg_ident.conf' AS object,
    jsonb_build_object('mappings', jsonb_agg(
        concat_ws(' ', map.map_name, map.sys_name, map.pg_username, 'error: ' || map.error) ORDER BY map.ordinality
    )) AS attributes
FROM pg_ident_file_mappings() WITH ORDINALITY AS map
HAVING count(*) > 0
