-- The witness and its function as they are; NULL for what is not there. A right of anybody but the owner is named.
SELECT
    n.nspname IS NOT NULL AS has_schema,
    c.oid IS NOT NULL AND c.relkind = 'r' AND c.relpersistence = 'p' AND c.relam = 2
        AND NOT c.relhasrules AND NOT c.relhastriggers AND NOT c.relrowsecurity AND NOT c.relhassubclass
        AND EXISTS (SELECT 1 FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary) AS witness_is_sound,
    p.prosrc,
    p.prosecdef AND l.lanname = 'plpgsql' AND p.prokind = 'f' AND p.pronargs = 0
        AND p.proconfig = ARRAY['search_path=pg_catalog, pg_temp'] AS function_is_sound,
    c.relowner = n.nspowner AND p.proowner = n.nspowner AS one_owner,
    pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text AS owner,
    ARRAY(
        SELECT DISTINCT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text END
        FROM (
            SELECT * FROM pg_catalog.aclexplode(n.nspacl)
            UNION ALL SELECT * FROM pg_catalog.aclexplode(c.relacl)
            UNION ALL SELECT * FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)))
            UNION ALL
            SELECT x.* FROM pg_catalog.pg_attribute AS t, LATERAL pg_catalog.aclexplode(t.attacl) AS x
            WHERE t.attrelid = c.oid
        ) AS a
        WHERE a.grantee <> n.nspowner
    ) AS others
FROM (SELECT 1) AS one
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'ringfence_live'
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'witness'
LEFT JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid AND p.proname = 'attest' AND p.pronargs = 0
LEFT JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
