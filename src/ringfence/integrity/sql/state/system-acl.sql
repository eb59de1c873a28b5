-- PostgreSQL's own objects whose owner or rights are not what initdb gave them. Compared first as the catalog has
-- them, which is cheap, then in a fixed order: a REVOKE after a GRANT may leave the same rights in another order. What
-- initdb granted in information_schema (PUBLIC may look) is not in pg_init_privs.
WITH touched AS (
    SELECT
        'schema ' || quote_ident(obj.nspname) AS object,
        obj.nspowner AS owner,
        coalesce(obj.nspacl, acldefault('n', obj.nspowner)) AS acl,
        CASE
            WHEN obj.nspname = 'information_schema' AND obj.nspacl IS NOT NULL
                THEN acldefault('n', 10) || makeaclitem(0, 10, 'USAGE', false)
            ELSE coalesce(init.initprivs, acldefault('n', 10))
        END AS initial
    FROM pg_catalog.pg_namespace AS obj
    LEFT JOIN pg_catalog.pg_init_privs AS init
        ON init.objoid = obj.oid AND init.classoid = 'pg_catalog.pg_namespace'::regclass AND init.objsubid = 0
    WHERE obj.nspname IN ('pg_catalog', 'information_schema', 'pg_toast')
        AND (obj.nspowner <> 10 OR obj.nspacl IS DISTINCT FROM init.initprivs)
    UNION ALL
    SELECT
        'relation ' || quote_ident(nsp.nspname) || '.' || quote_ident(obj.relname) AS object,
        obj.relowner AS owner,
        coalesce(obj.relacl, acldefault('r', obj.relowner)) AS acl,
        CASE
            WHEN nsp.nspname = 'information_schema' AND obj.relacl IS NOT NULL
                THEN acldefault('r', 10) || makeaclitem(0, 10, 'SELECT', false)
            ELSE coalesce(init.initprivs, acldefault('r', 10))
        END AS initial
    FROM pg_catalog.pg_class AS obj
    JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = obj.relnamespace
    LEFT JOIN pg_catalog.pg_init_privs AS init
        ON init.objoid = obj.oid AND init.classoid = 'pg_catalog.pg_class'::regclass AND init.objsubid = 0
    WHERE obj.oid < 16384 AND obj.relkind NOT IN ('i', 'I', 't')
        AND (obj.relowner <> 10 OR obj.relacl IS DISTINCT FROM init.initprivs)
    UNION ALL
    SELECT
        'function ' || quote_ident(nsp.nspname) || '.' || quote_ident(obj.proname)
            || '(' || pg_get_function_identity_arguments(obj.oid) || ')' AS object,
        obj.proowner AS owner,
        coalesce(obj.proacl, acldefault('f', obj.proowner)) AS acl,
        coalesce(init.initprivs, acldefault('f', 10)) AS initial
    FROM pg_catalog.pg_proc AS obj
    JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = obj.pronamespace
    LEFT JOIN pg_catalog.pg_init_privs AS init
        ON init.objoid = obj.oid AND init.classoid = 'pg_catalog.pg_proc'::regclass AND init.objsubid = 0
    WHERE obj.oid < 16384
        AND (obj.proowner <> 10 OR obj.proacl IS DISTINCT FROM init.initprivs)
    UNION ALL
    SELECT
        'type ' || quote_ident(nsp.nspname) || '.' || quote_ident(obj.typname) AS object,
        obj.typowner AS owner,
        coalesce(obj.typacl, acldefault('T', obj.typowner)) AS acl,
        coalesce(init.initprivs, acldefault('T', 10)) AS initial
    FROM pg_catalog.pg_type AS obj
    JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = obj.typnamespace
    LEFT JOIN pg_catalog.pg_init_privs AS init
        ON init.objoid = obj.oid AND init.classoid = 'pg_catalog.pg_type'::regclass AND init.objsubid = 0
    WHERE obj.oid < 16384
        AND (obj.typowner <> 10 OR obj.typacl IS DISTINCT FROM init.initprivs)
    UNION ALL
    SELECT
        'column ' || quote_ident(nsp.nspname) || '.' || quote_ident(rel.relname) || '.' || quote_ident(obj.attname)
            AS object,
        10::oid AS owner,
        obj.attacl AS acl,
        init.initprivs AS initial
    FROM pg_catalog.pg_attribute AS obj
    JOIN pg_catalog.pg_class AS rel ON rel.oid = obj.attrelid
    JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = rel.relnamespace
    LEFT JOIN pg_catalog.pg_init_privs AS init
        ON init.objoid = obj.attrelid AND init.classoid = 'pg_catalog.pg_class'::regclass AND init.objsubid = obj.attnum
    WHERE obj.attrelid < 16384 AND obj.attacl IS DISTINCT FROM init.initprivs
),
written AS (
    SELECT
        touched.object,
        touched.owner,
        ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(touched.acl) AS item
            ORDER BY 1
        ) AS acl,
        ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(touched.initial) AS item
            ORDER BY 1
        ) AS initial
    FROM touched
)
SELECT
    written.object,
    jsonb_build_object(
        'owner', CASE WHEN written.owner <> 10 THEN quote_ident(pg_get_userbyid(written.owner)) END,
        'granted', ARRAY(SELECT unnest(written.acl) EXCEPT SELECT unnest(written.initial) ORDER BY 1),
        'revoked', ARRAY(SELECT unnest(written.initial) EXCEPT SELECT unnest(written.acl) ORDER BY 1)
    ) AS attributes
FROM written
WHERE written.owner <> 10 OR written.acl <> written.initial
