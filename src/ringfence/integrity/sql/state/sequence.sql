-- Sequences: their parameters and what owns them. Their values are read apart from this, because they are not
-- transactional.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(rel.relname) AS object,
    to_jsonb(seq) - '{seqrelid,seqtypid}'::text[]
    || jsonb_build_object(
        'type', format_type(seq.seqtypid, NULL),
        'owner', quote_ident(pg_get_userbyid(rel.relowner)),
        'acl', ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(coalesce(rel.relacl, acldefault('s', rel.relowner))) AS item
            ORDER BY 1
        ),
        'persistence', rel.relpersistence,
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_class'::regclass
                AND dep.objid = rel.oid
                AND dep.deptype = 'e'
        ),
        'owned_by', (
            SELECT quote_ident(ntab.nspname) || '.' || quote_ident(tab.relname) || '.' || quote_ident(att.attname)
                || CASE dep.deptype WHEN 'i' THEN ' (identity)' ELSE '' END
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_class AS tab ON tab.oid = dep.refobjid
            JOIN pg_catalog.pg_namespace AS ntab ON ntab.oid = tab.relnamespace
            JOIN pg_catalog.pg_attribute AS att ON att.attrelid = tab.oid AND att.attnum = dep.refobjsubid
            WHERE
                dep.classid = 'pg_catalog.pg_class'::regclass
                AND dep.objid = rel.oid
                AND dep.refclassid = 'pg_catalog.pg_class'::regclass
                AND dep.deptype IN ('a', 'i')
        )
    ) AS attributes
FROM pg_catalog.pg_sequence AS seq
JOIN pg_catalog.pg_class AS rel ON rel.oid = seq.seqrelid
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = rel.relnamespace
WHERE rel.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
