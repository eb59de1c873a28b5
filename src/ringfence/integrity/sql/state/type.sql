-- Enums (labels in order), domains, composite types made by CREATE TYPE, ranges, base types. Not the array and row
-- types that come with another object.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(typ.typname) AS object,
    CASE
        WHEN typ.typtype = 'b' THEN to_jsonb(typ) - '{
        oid, typname, typnamespace, typowner, typrelid, typelem, typarray, typbasetype, typcollation,
        typdefaultbin, typacl
    }'::text[]
        ELSE jsonb_build_object('typtype', typ.typtype, 'typnotnull', typ.typnotnull, 'typdefault', typ.typdefault)
    END
    || jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(typ.typowner)),
        'acl', ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(coalesce(typ.typacl, acldefault('T', typ.typowner))) AS item
            ORDER BY 1
        ),
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_type'::regclass
                AND dep.objid = typ.oid
                AND dep.deptype = 'e'
        ),
        'labels', ARRAY(
            SELECT lab.enumlabel FROM pg_catalog.pg_enum AS lab WHERE lab.enumtypid = typ.oid ORDER BY lab.enumsortorder
        ),
        'base', CASE WHEN typ.typbasetype <> 0 THEN format_type(typ.typbasetype, typ.typtypmod) END,
        'element', CASE WHEN typ.typelem <> 0 THEN format_type(typ.typelem, NULL) END,
        'collation', (
            SELECT quote_ident(ncol.nspname) || '.' || quote_ident(col.collname)
            FROM pg_catalog.pg_collation AS col
            JOIN pg_catalog.pg_namespace AS ncol ON ncol.oid = col.collnamespace
            WHERE col.oid = typ.typcollation AND typ.typtype = 'd'
        ),
        'range', (
            SELECT jsonb_build_object(
                'subtype', format_type(rng.rngsubtype, NULL),
                'multirange', format_type(rng.rngmultitypid, NULL),
                'canonical', rng.rngcanonical,
                'difference', rng.rngsubdiff,
                'operator_class', quote_ident(nopc.nspname) || '.' || quote_ident(opc.opcname)
            )
            FROM pg_catalog.pg_range AS rng
            JOIN pg_catalog.pg_opclass AS opc ON opc.oid = rng.rngsubopc
            JOIN pg_catalog.pg_namespace AS nopc ON nopc.oid = opc.opcnamespace
            WHERE rng.rngtypid = typ.oid
        )
    ) AS attributes
FROM pg_catalog.pg_type AS typ
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = typ.typnamespace
LEFT JOIN pg_catalog.pg_class AS rel ON rel.oid = typ.typrelid
WHERE
    typ.oid >= 16384
    AND (rel.oid IS NULL OR rel.relkind = 'c')
    AND NOT EXISTS (
        SELECT 1 FROM pg_catalog.pg_type AS elt WHERE elt.oid = typ.typelem AND elt.typarray = typ.oid
    )
    AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
