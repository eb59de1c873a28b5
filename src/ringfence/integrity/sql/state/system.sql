-- PostgreSQL's own objects: one digest a catalog, without owners and rights (system-acl has those that were changed).
-- A superuser can replace a function of pg_catalog in place; this notices. Meaningful within one cluster only, because
-- the rows hold oids.
SELECT
    'pg_catalog.' || built_in.name AS object,
    jsonb_build_object(
        'count', count(*), 'digest', sum(hashtextextended(built_in.content COLLATE "C", %(seed)s::int8))::text
    ) AS attributes
FROM (
    SELECT 'pg_proc' AS name, ROW(
        cat.oid, cat.proname, cat.pronamespace, cat.prolang, cat.procost, cat.prorows, cat.provariadic,
        cat.prosupport, cat.prokind, cat.prosecdef, cat.proleakproof, cat.proisstrict, cat.proretset,
        cat.provolatile, cat.proparallel, cat.pronargs, cat.pronargdefaults, cat.prorettype,
        cat.proargtypes, cat.proallargtypes, cat.proargmodes, cat.proargnames, cat.proargdefaults,
        cat.protrftypes, cat.prosrc, cat.probin, cat.prosqlbody, cat.proconfig
    )::text AS content
    FROM pg_catalog.pg_proc AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_aggregate' AS name, cat::text AS content
    FROM pg_catalog.pg_aggregate AS cat
    WHERE cat.aggfnoid::oid < 16384
    UNION ALL
    SELECT 'pg_type' AS name, ROW(
        cat.oid, cat.typname, cat.typnamespace, cat.typlen, cat.typbyval, cat.typtype, cat.typcategory,
        cat.typispreferred, cat.typisdefined, cat.typdelim, cat.typrelid, cat.typsubscript, cat.typelem,
        cat.typarray, cat.typinput, cat.typoutput, cat.typreceive, cat.typsend, cat.typmodin, cat.typmodout,
        cat.typanalyze, cat.typalign, cat.typstorage, cat.typnotnull, cat.typbasetype, cat.typtypmod,
        cat.typndims, cat.typcollation, cat.typdefaultbin, cat.typdefault
    )::text AS content
    FROM pg_catalog.pg_type AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_operator' AS name, cat::text AS content
    FROM pg_catalog.pg_operator AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_opclass' AS name, cat::text AS content
    FROM pg_catalog.pg_opclass AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_opfamily' AS name, cat::text AS content
    FROM pg_catalog.pg_opfamily AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_amop' AS name, cat::text AS content
    FROM pg_catalog.pg_amop AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_amproc' AS name, cat::text AS content
    FROM pg_catalog.pg_amproc AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_am' AS name, cat::text AS content
    FROM pg_catalog.pg_am AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_cast' AS name, cat::text AS content
    FROM pg_catalog.pg_cast AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_collation' AS name, cat::text AS content
    FROM pg_catalog.pg_collation AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_conversion' AS name, cat::text AS content
    FROM pg_catalog.pg_conversion AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_rewrite' AS name, cat::text AS content
    FROM pg_catalog.pg_rewrite AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_class' AS name, (to_jsonb(cat) - '{
        relowner, relfilenode, relpages, reltuples, relallvisible, relallfrozen, relhasindex, relhasrules,
        relhastriggers, relhassubclass, relfrozenxid, relminmxid, relacl
    }'::text[])::text AS content
    FROM pg_catalog.pg_class AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_attribute' AS name, ROW(
        cat.attrelid, cat.attname, cat.atttypid, cat.attlen, cat.attnum, cat.atttypmod, cat.attbyval,
        cat.attalign, cat.attstorage, cat.attcompression, cat.attnotnull, cat.attidentity, cat.attgenerated,
        cat.attisdropped, cat.attislocal, cat.attinhcount, cat.attcollation, cat.attoptions
    )::text AS content
    FROM pg_catalog.pg_attribute AS cat
    WHERE cat.attrelid < 16384
    UNION ALL
    SELECT 'pg_index' AS name, (to_jsonb(cat) - 'indcheckxmin')::text AS content
    FROM pg_catalog.pg_index AS cat
    WHERE cat.indexrelid < 16384
    UNION ALL
    SELECT 'pg_constraint' AS name, cat::text AS content
    FROM pg_catalog.pg_constraint AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_ts_parser' AS name, cat::text AS content
    FROM pg_catalog.pg_ts_parser AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_ts_template' AS name, cat::text AS content
    FROM pg_catalog.pg_ts_template AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_ts_dict' AS name, cat::text AS content
    FROM pg_catalog.pg_ts_dict AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_ts_config' AS name, cat::text AS content
    FROM pg_catalog.pg_ts_config AS cat
    WHERE cat.oid < 16384
    UNION ALL
    SELECT 'pg_description' AS name, cat::text AS content
    FROM pg_catalog.pg_description AS cat
    WHERE cat.objoid < 16384 AND (cat.objoid, cat.classoid) <> (2200::oid, 'pg_catalog.pg_namespace'::regclass::oid)
) AS built_in
GROUP BY built_in.name
