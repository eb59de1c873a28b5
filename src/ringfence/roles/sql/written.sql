-- Where the app's writing arrives in this database, as three lists of relations: where it writes itself (tables and views
-- it has a right on, and the partitions and children below them, whose triggers fire although nobody has a right there),
-- where it writes with the rights of a view's owner, and where a foreign key carries an update of a key on to, which
-- is done as the owner of the table. Keys are followed by column: a key the app may not update carries nothing.
WITH RECURSIVE reach AS (
    SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) AS role
), updatable AS (
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'v' AND NOT COALESCE(c.reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1', 'security_invoker=yes']
        AND CASE WHEN n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' THEN (pg_catalog.pg_relation_is_updatable(c.oid, false) & 28) <> 0 END
), below AS (
    SELECT w.ev_class AS view, d.refobjid AS base
    FROM pg_catalog.pg_rewrite w JOIN updatable u ON u.oid = w.ev_class
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> w.ev_class AND d.deptype = 'n'
    JOIN pg_catalog.pg_class b ON b.oid = d.refobjid AND b.relkind IN ('r', 'p', 'v', 'f')
    WHERE w.ev_type = '1'
), way_on (source, target, kind, conkey, confkey) AS MATERIALIZED (
    SELECT i.inhparent, i.inhrelid, 'below', NULL::pg_catalog.int2[], NULL::pg_catalog.int2[] FROM pg_catalog.pg_inherits i
    UNION ALL SELECT b.view, b.base, 'view', NULL, NULL FROM below b
    UNION ALL SELECT f.confrelid, f.conrelid, 'key', f.conkey, f.confkey FROM pg_catalog.pg_constraint f
        WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confupdtype IN ('c', 'n', 'd')
), arrived (oid, way, changed) AS (
    SELECT c.oid, 'own', NULL::pg_catalog.int2[]
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
        AND EXISTS (SELECT 1 FROM reach r WHERE pg_catalog.has_table_privilege(r.role, c.oid, 'INSERT, UPDATE, DELETE')
            OR pg_catalog.has_any_column_privilege(r.role, c.oid, 'INSERT, UPDATE'))
    UNION
    SELECT e.target, CASE WHEN e.kind = 'key' THEN 'cascade' WHEN e.kind = 'view' AND a.way <> 'cascade' THEN 'lent' WHEN a.way = 'own' THEN 'below' ELSE a.way END, e.conkey
    FROM arrived a JOIN way_on e ON e.source = a.oid
    WHERE e.kind <> 'key' OR CASE WHEN a.way = 'own'
        THEN EXISTS (SELECT 1 FROM reach r, pg_catalog.unnest(e.confkey) n WHERE pg_catalog.has_column_privilege(r.role, a.oid, n, 'UPDATE'))
        ELSE a.changed IS NULL OR a.changed && e.confkey END
)
SELECT pg_catalog.set_config('ringfence.' || l.name, COALESCE((SELECT pg_catalog.array_agg(DISTINCT a.oid)::pg_catalog.text FROM arrived a WHERE a.way = ANY (l.ways)), '{}'), false)
FROM (VALUES ('written', ARRAY['own', 'below']), ('lent', ARRAY['lent']), ('cascaded', ARRAY['cascade'])) l(name, ways)
