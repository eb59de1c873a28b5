-- Event triggers whose functions run with their owner's rights: the app causes events with every login, GRANT and temporary
-- table, and EXECUTE is not asked.
SELECT CASE WHEN l.lanname <> 'plpgsql' OR p.prosrc ~* '\m(delete|truncate|drop|execute|alter|grant)\M' THEN 'critical' ELSE 'high' END,
    'event trigger ' || pg_catalog.quote_ident(e.evtname),
    pg_catalog.format('%s runs %s as %s, also when the app causes it%s', e.evtevent, p.oid::pg_catalog.regprocedure, o.rolname,
        CASE WHEN p.prosrc ~* '\m(delete|truncate|drop|execute|alter|grant)\M' THEN ', and its text deletes, drops or builds statements' ELSE '' END),
    pg_catalog.format('SELECT pg_catalog.pg_get_functiondef(%L::pg_catalog.regprocedure)', p.oid::pg_catalog.regprocedure),
    pg_catalog.format('ALTER FUNCTION %s SECURITY INVOKER', p.oid::pg_catalog.regprocedure)
FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE e.evtenabled <> 'D' AND p.prosecdef
