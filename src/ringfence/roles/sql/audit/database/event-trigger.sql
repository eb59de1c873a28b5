-- Event triggers run as whoever causes the event, administrators included: their functions must be theirs.
SELECT 'critical', 'event trigger ' || pg_catalog.quote_ident(e.evtname),
    pg_catalog.format('%s runs %s of %s, who is no superuser, with the rights of whoever causes it', e.evtevent, p.oid::pg_catalog.regprocedure, o.rolname),
    pg_catalog.format('SELECT evtfoid::pg_catalog.regprocedure FROM pg_catalog.pg_event_trigger WHERE evtname = %L', e.evtname),
    pg_catalog.format('ALTER FUNCTION %s OWNER TO %I', p.oid::pg_catalog.regprocedure, pg_catalog.current_setting('ringfence.admin'))
FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
WHERE e.evtenabled <> 'D' AND NOT o.rolsuper
