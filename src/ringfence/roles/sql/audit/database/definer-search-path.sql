-- A definer function whose search path is open, or does not end with pg_temp: a temporary table of the caller is found first.
SELECT 'critical', p.oid::pg_catalog.regprocedure::pg_catalog.text,
    'it runs as ' || pg_catalog.pg_get_userbyid(p.proowner) || CASE WHEN c.path IS NULL
        THEN ' with the caller''s search path: the caller decides which tables and functions it means'
        ELSE ' with search_path = ' || c.path || ': temporary tables are searched first where pg_temp is not named last' END,
    pg_catalog.format('SELECT proconfig FROM pg_catalog.pg_proc WHERE oid = %L::pg_catalog.regprocedure', p.oid::pg_catalog.regprocedure),
    pg_catalog.format('ALTER ROUTINE %s SET search_path = %s', p.oid::pg_catalog.regprocedure,
        CASE WHEN c.path IS NULL OR c.path IN ('', '""') THEN 'pg_catalog, pg_temp' ELSE c.path || ', pg_temp' END)
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
LEFT JOIN LATERAL (SELECT pg_catalog.substr(s, 13) AS path FROM pg_catalog.unnest(p.proconfig) s WHERE s LIKE 'search\_path=%') c ON true
WHERE p.prosecdef AND p.oid >= 16384 AND p.prosqlbody IS NULL
    AND (c.path IS NULL OR c.path !~ 'pg_temp"?\s*$')
    AND (p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype AND EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgfoid = p.oid AND t.tgrelid IN (
            SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.written')::pg_catalog.oid[])
            UNION ALL SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.lent')::pg_catalog.oid[])
            UNION ALL SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.cascaded')::pg_catalog.oid[])))
        OR p.prorettype = 'pg_catalog.event_trigger'::pg_catalog.regtype AND EXISTS (SELECT 1 FROM pg_catalog.pg_event_trigger e WHERE e.evtfoid = p.oid AND e.evtenabled <> 'D')
        OR EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
            WHERE pg_catalog.has_function_privilege(r, p.oid, 'EXECUTE') AND pg_catalog.has_schema_privilege(r, n.oid, 'USAGE')
                AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)))
    AND p.proowner <> ALL (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
