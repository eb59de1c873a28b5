-- Rights to change configuration parameters (15+).
SELECT
    quote_ident(par.parname) AS object,
    jsonb_build_object('acl', ARRAY(
        SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
        FROM aclexplode(coalesce(par.paracl, acldefault('p', 10))) AS item
        ORDER BY 1
    )) AS attributes
FROM pg_catalog.pg_parameter_acl AS par
