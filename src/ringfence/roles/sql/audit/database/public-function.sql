-- Functions everybody may call as PostgreSQL comes, with which the disk is filled or rows are stored outside of tables.
SELECT DISTINCT 'low', p.oid::pg_catalog.regprocedure::pg_catalog.text,
    CASE WHEN p.proname = 'pg_logical_emit_message' THEN 'writes WAL without a right on any table: the disk fills, and nothing that is compared changes'
        ELSE 'makes a large object, which belongs to the app: it can remove it again, and no row count of a table shows it' END,
    pg_catalog.format('SELECT pg_catalog.has_function_privilege(%L, %L, ''EXECUTE'')', pg_catalog.current_setting('ringfence.app'), p.oid::pg_catalog.regprocedure),
    pg_catalog.format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', p.oid::pg_catalog.regprocedure)
FROM pg_catalog.pg_proc p
WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
    AND p.proname IN ('pg_logical_emit_message', 'lo_create', 'lo_creat', 'lo_from_bytea')
    AND pg_catalog.current_database() = pg_catalog.current_setting('ringfence.database')
    AND pg_catalog.has_function_privilege(pg_catalog.current_setting('ringfence.app'), p.oid, 'EXECUTE')
