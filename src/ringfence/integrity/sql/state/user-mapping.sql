-- User mappings: the names of their options, and a keyed digest of each value, which may be a password.
SELECT
    CASE WHEN map.umuser = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(map.umuser)) END || ' on '
        || quote_ident(srv.srvname) AS object,
    jsonb_build_object(
        'options', ARRAY(
            SELECT split_part(entry, '=', 1) || ' (digest '
                || left(encode(sha256(textsend(%(seed)s::int8::text || ':' || entry)), 'hex'), 32) || ')'
            FROM unnest(map.umoptions) AS entry
        )
    ) AS attributes
FROM pg_catalog.pg_user_mapping AS map
JOIN pg_catalog.pg_foreign_server AS srv ON srv.oid = map.umserver
