-- Every database of the server. Left out: transaction ids, and dathasloginevt, which the server resets when it likes.
SELECT
    quote_ident(dat.datname) AS object,
    to_jsonb(dat) - '{
        oid, datname, datdba, encoding, dattablespace, datlastsysoid, datfrozenxid, datminmxid, dathasloginevt,
        datacl
    }'::text[]
    || jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(dat.datdba)),
        'acl', ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(coalesce(dat.datacl, acldefault('d', dat.datdba))) AS item
            ORDER BY 1
        ),
        'encoding', pg_encoding_to_char(dat.encoding),
        'tablespace', (
            SELECT quote_ident(spc.spcname)
            FROM pg_catalog.pg_tablespace AS spc
            WHERE spc.oid = dat.dattablespace
        )
    ) AS attributes
FROM pg_catalog.pg_database AS dat
