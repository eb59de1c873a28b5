-- Large objects. The digest is a sum over pages, so order does not matter; pages of zeros and zeros at the end of a
-- page add nothing, because a dump writes out what was sparse.
SELECT
    meta.oid::text AS object,
    jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(meta.lomowner)),
        'acl', ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(coalesce(meta.lomacl, acldefault('L', meta.lomowner))) AS item
            ORDER BY 1
        ),
        'bytes', coalesce(content.bytes, 0),
        'digest', coalesce(content.digest, '0')
    ) AS attributes
FROM pg_catalog.pg_largeobject_metadata AS meta
LEFT JOIN (
    SELECT
        page.loid,
        max(page.pageno::int8 * 2048 + length(page.data)) AS bytes,
        sum(
            CASE WHEN length(rtrim(page.data, '\x00'::bytea)) > 0
                THEN hash_array_extended(
                    ARRAY[rtrim(page.data, '\x00'::bytea)], hashint8extended(page.pageno, %(seed)s::int8)
                )
                ELSE 0
            END
        )::text AS digest
    FROM pg_catalog.pg_largeobject AS page
    GROUP BY page.loid
) AS content ON content.loid = meta.oid
