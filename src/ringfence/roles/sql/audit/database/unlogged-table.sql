-- A table that is not in the WAL is empty after a crash; the app can cause one by using up the memory of the machine.
SELECT 'medium', c.oid::pg_catalog.regclass::pg_catalog.text,
    'it is UNLOGGED: when any session is killed (a kernel out of memory, which a query of the app can bring about), the server starts anew and the table is empty',
    pg_catalog.format('SELECT relpersistence FROM pg_catalog.pg_class WHERE oid = %L::pg_catalog.regclass', c.oid::pg_catalog.regclass),
    pg_catalog.format('ALTER TABLE %s SET LOGGED', c.oid::pg_catalog.regclass)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
