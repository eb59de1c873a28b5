-- Default privileges: what is granted on objects that do not exist yet.
SELECT
    quote_ident(pg_get_userbyid(dft.defaclrole)) || ' on '
        || CASE dft.defaclobjtype
            WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
            WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' WHEN 'L' THEN 'large objects'
            ELSE dft.defaclobjtype::text
        END
        || coalesce(' in ' || quote_ident(nsp.nspname), '') AS object,
    jsonb_build_object('acl', ARRAY(
        SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
        FROM aclexplode(dft.defaclacl) AS item
        ORDER BY 1
    )) AS attributes
FROM pg_catalog.pg_default_acl AS dft
LEFT JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = dft.defaclnamespace
