-- Anybody may take an advisory lock on any number, and hold it: the one a migration tool waits for, or another's.
SELECT 'medium', pg_catalog.format('session %s: advisory lock %s/%s', l.pid, l.classid, l.objid),
    pg_catalog.format('a session of %s holds it since %s s at least: whoever waits for that number (Prisma migrates under 72707369) waits for ever', a.usename,
        pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.state_change))),
    'SELECT pid, classid, objid FROM pg_catalog.pg_locks WHERE locktype = ''advisory''',
    pg_catalog.format('SELECT pg_catalog.pg_terminate_backend(%s)', l.pid)
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND a.usename = pg_catalog.current_setting('ringfence.app')
    AND pg_catalog.clock_timestamp() - a.state_change >= pg_catalog.make_interval(secs => pg_catalog.current_setting('ringfence.idle_s')::pg_catalog.float8)
