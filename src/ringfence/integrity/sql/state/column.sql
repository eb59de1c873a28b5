-- Columns of tables, views and composite types. The position counts the columns that exist. Left out: what follows
-- from the type, and the stored default of a column added later (VACUUM FULL folds it into the rows).
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(rel.relname) || '.' || quote_ident(att.attname) AS object,
    to_jsonb(att) - '{
        attrelid, attname, atttypid, attlen, attnum, attcacheoff, atttypmod, attndims, attbyval, attalign,
        attstorage, atthasdef, atthasmissing, attmissingval, attisdropped, attislocal, attinhcount,
        attstattarget, attcollation, attacl
    }'::text[]
    || jsonb_build_object(
        'position', row_number() OVER (PARTITION BY att.attrelid ORDER BY att.attnum),
        'type', format_type(att.atttypid, att.atttypmod),
        'dimensions', nullif(att.attndims, 0),
        'default', pg_get_expr(def.adbin, def.adrelid),
        'collation', (
            SELECT quote_ident(ncol.nspname) || '.' || quote_ident(col.collname)
            FROM pg_catalog.pg_collation AS col
            JOIN pg_catalog.pg_namespace AS ncol ON ncol.oid = col.collnamespace
            WHERE col.oid = att.attcollation AND att.attcollation <> typ.typcollation
        ),
        'storage', CASE WHEN att.attstorage <> typ.typstorage THEN att.attstorage END,
        'statistics_target', nullif(att.attstattarget, -1),
        'inherited_from', nullif(att.attinhcount, 0),
        'inherited_only', NOT att.attislocal,
        'acl', CASE WHEN att.attacl IS NOT NULL THEN ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(att.attacl) AS item
            ORDER BY 1
        ) END
    ) AS attributes
FROM pg_catalog.pg_attribute AS att
JOIN pg_catalog.pg_class AS rel ON rel.oid = att.attrelid
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = rel.relnamespace
JOIN pg_catalog.pg_type AS typ ON typ.oid = att.atttypid
LEFT JOIN pg_catalog.pg_attrdef AS def ON def.adrelid = att.attrelid AND def.adnum = att.attnum
WHERE
    att.attrelid >= 16384
    AND att.attnum > 0
    AND NOT att.attisdropped
    AND rel.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
