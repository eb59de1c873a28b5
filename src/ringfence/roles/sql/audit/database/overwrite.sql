-- Tables the app may update, itself or through a view or a foreign key, where nothing keeps the old rows or bounds a statement.
SELECT 'medium', c.oid::pg_catalog.regclass::pg_catalog.text,
    'one statement of the app can overwrite every row: counts stay the same, and nothing here keeps what the rows were',
    pg_catalog.format('SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = %L::pg_catalog.regclass', c.oid::pg_catalog.regclass),
    CASE WHEN w.itself THEN 'ringfence roles apply, with level = "strict" in [roles]: the history of overwritten rows, and max_rows for a limit'
        ELSE 'make the view that leads there security_invoker, take UPDATE on it from the app, or let no foreign key carry a key on to it' END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
    WHERE pg_catalog.has_any_column_privilege(r, c.oid, 'UPDATE') AND pg_catalog.has_schema_privilege(r, n.oid, 'USAGE')) AS itself) w
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND (w.itself OR c.oid IN (SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.lent')::pg_catalog.oid[])
        UNION ALL SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.cascaded')::pg_catalog.oid[])))
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
            AND t.tgname = ANY (pg_catalog.current_setting('ringfence.guards')::pg_catalog.text[])
            AND t.tgtype & 16 = 16 AND t.tgtype & 66 = 0 AND t.tgqual IS NULL AND t.tgattr::pg_catalog.text = ''
            AND p.proowner <> ALL (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
