-- Tables, partitioned tables, views, materialized views, foreign tables. Left out: oids, files, statistics,
-- transaction ids, and the relhas* flags, which VACUUM and ANALYZE reset when they like.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(rel.relname) AS object,
    to_jsonb(rel) - '{
        oid, relname, relnamespace, reltype, reloftype, relowner, relam, relfilenode, reltablespace, relpages,
        reltuples, relallvisible, relallfrozen, reltoastrelid, relhasindex, relisshared, relnatts, relchecks,
        relhasrules, relhastriggers, relhassubclass, relrewrite, relfrozenxid, relminmxid, relacl, relpartbound
    }'::text[]
    || jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(rel.relowner)),
        'acl', ARRAY(
            SELECT (CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END
                    || ':' || item.privilege_type || CASE WHEN item.is_grantable THEN '*' ELSE '' END
                    || ' by ' || quote_ident(pg_get_userbyid(item.grantor))) COLLATE "C"
            FROM aclexplode(coalesce(rel.relacl, acldefault('r', rel.relowner))) AS item
            ORDER BY 1
        ),
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_class'::regclass
                AND dep.objid = rel.oid
                AND dep.deptype = 'e'
        ),
        'access_method', (
            SELECT quote_ident(am.amname)
            FROM pg_catalog.pg_am AS am
            WHERE am.oid = rel.relam
        ),
        'tablespace', (
            SELECT quote_ident(spc.spcname)
            FROM pg_catalog.pg_tablespace AS spc
            WHERE spc.oid = rel.reltablespace
        ),
        'of_type', (
            SELECT format_type(typ.oid, NULL)
            FROM pg_catalog.pg_type AS typ
            WHERE typ.oid = rel.reloftype
        ),
        'toast_options', (
            SELECT toast.reloptions
            FROM pg_catalog.pg_class AS toast
            WHERE toast.oid = rel.reltoastrelid
        ),
        'parents', ARRAY(
            SELECT quote_ident(up.nspname) || '.' || quote_ident(parent.relname)
                || CASE WHEN inh.inhdetachpending THEN ' (detach pending)' ELSE '' END
            FROM pg_catalog.pg_inherits AS inh
            JOIN pg_catalog.pg_class AS parent ON parent.oid = inh.inhparent
            JOIN pg_catalog.pg_namespace AS up ON up.oid = parent.relnamespace
            WHERE inh.inhrelid = rel.oid
            ORDER BY inh.inhseqno
        ),
        'partition_key', CASE WHEN rel.relkind = 'p' THEN pg_get_partkeydef(rel.oid) END,
        'partition_bound', pg_get_expr(rel.relpartbound, rel.oid),
        'server', (
            SELECT quote_ident(srv.srvname)
            FROM pg_catalog.pg_foreign_server AS srv
            WHERE srv.oid = ftb.ftserver
        ),
        'options', ftb.ftoptions,
        'definition', CASE WHEN rel.relkind IN ('v', 'm') THEN pg_get_viewdef(rel.oid) END
    ) AS attributes
FROM pg_catalog.pg_class AS rel
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = rel.relnamespace
LEFT JOIN pg_catalog.pg_foreign_table AS ftb ON ftb.ftrelid = rel.oid
WHERE rel.relkind IN ('r', 'p', 'v', 'm', 'f') AND rel.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
