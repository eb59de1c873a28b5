-- Nothing bounds how many rows one statement of the app may insert.
SELECT 'low', pg_catalog.format('%s tables of database %I', pg_catalog.count(*), pg_catalog.current_database()),
    'the app can insert until the disk is full: ' || pg_catalog.string_agg(CASE WHEN o.place <= 5 THEN o.object END, ', ' ORDER BY o.place)
        || CASE WHEN pg_catalog.count(*) > 5 THEN ', …' ELSE '' END,
    'SELECT tgrelid::pg_catalog.regclass, tgname FROM pg_catalog.pg_trigger WHERE NOT tgisinternal',
    'ringfence roles apply, with level = "strict" and max_rows in [roles]; watch the free space of the disk'
FROM (
    SELECT c.oid::pg_catalog.regclass::pg_catalog.text AS object, pg_catalog.row_number() OVER (ORDER BY c.oid::pg_catalog.regclass::pg_catalog.text) AS place
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
        AND EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
            WHERE pg_catalog.has_any_column_privilege(r, c.oid, 'INSERT') AND pg_catalog.has_schema_privilege(r, n.oid, 'USAGE'))
        AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t
            WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
                AND t.tgname = ANY (pg_catalog.current_setting('ringfence.guards')::pg_catalog.text[])
                AND t.tgtype & 4 = 4 AND t.tgtype & 66 = 0)
) o
HAVING pg_catalog.count(*) > 0
