-- A foreign key that updates children does so as their owner: a row trigger BEFORE it then runs with the owner's rights.
SELECT DISTINCT CASE WHEN p.prosrc ~* '\m(delete|truncate|drop|execute|alter|grant)\M' THEN 'critical' ELSE 'low' END,
    pg_catalog.format('trigger %I on %s', t.tgname, t.tgrelid::pg_catalog.regclass),
    pg_catalog.format('an update of %s by the app reaches it through the foreign key %I, which runs it as the owner of %s', f.confrelid::pg_catalog.regclass, f.conname, t.tgrelid::pg_catalog.regclass),
    pg_catalog.format('SELECT pg_catalog.pg_get_triggerdef(%s)', t.oid),
    pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I, ADD %s', f.conrelid::pg_catalog.regclass, f.conname,
        pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(f.oid), ' ON UPDATE (CASCADE|SET NULL|SET DEFAULT)', ''))
FROM pg_catalog.pg_constraint f
JOIN pg_catalog.pg_trigger t ON t.tgrelid = f.conrelid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 19 = 19
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
WHERE f.contype = 'f' AND f.confupdtype IN ('c', 'n', 'd')
    AND EXISTS (SELECT 1 FROM pg_catalog.unnest(f.confkey) k, pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
        WHERE pg_catalog.has_column_privilege(r, f.confrelid, k, 'UPDATE'))
