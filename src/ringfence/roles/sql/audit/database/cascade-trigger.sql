-- A foreign key that updates children does so as their owner: a trigger BEFORE it then runs with the owner's rights. It is
-- followed through children of children, and into partitions.
SELECT DISTINCT CASE WHEN p.prosrc ~* '\m(delete|truncate|drop|execute|alter|grant)\M' THEN 'critical' ELSE 'low' END,
    pg_catalog.format('trigger %I on %s', t.tgname, t.tgrelid::pg_catalog.regclass),
    pg_catalog.format('an update of a key by the app reaches it through a foreign key, which runs it as the owner of %s', t.tgrelid::pg_catalog.regclass),
    pg_catalog.format('SELECT pg_catalog.pg_get_triggerdef(%s)', t.oid),
    COALESCE((SELECT pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I, ADD %s', f.conrelid::pg_catalog.regclass, f.conname,
            pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(f.oid), ' ON UPDATE (CASCADE|SET NULL|SET DEFAULT)', '')), '; ' ORDER BY f.conname)
        FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confupdtype IN ('c', 'n', 'd')
            AND (f.conrelid = t.tgrelid OR f.conrelid IN (SELECT pg_catalog.pg_partition_root(t.tgrelid)))
            AND f.confrelid IN (SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.' || way)::pg_catalog.oid[])
                FROM (VALUES ('written'), ('lent'), ('cascaded')) w(way))),
        pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::pg_catalog.regclass))
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D' AND t.tgtype & 18 = 18
    AND t.tgrelid IN (SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.cascaded')::pg_catalog.oid[]))
    AND t.tgname <> ALL (pg_catalog.current_setting('ringfence.guards')::pg_catalog.text[])
