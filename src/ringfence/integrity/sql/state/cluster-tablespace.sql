-- Tablespaces.
SELECT
    quote_ident(spc.spcname) AS object,
    jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(spc.spcowner)),
        'acl', ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(coalesce(spc.spcacl, acldefault('t', spc.spcowner))) AS item
            ORDER BY 1
        ),
        'options', spc.spcoptions,
        'location', pg_tablespace_location(spc.oid)
    ) AS attributes
FROM pg_catalog.pg_tablespace AS spc
