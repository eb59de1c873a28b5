-- Anybody may take an advisory lock on any number, and hold it: the one a migration tool waits for, or another's; or so many
-- that the server's table of locks is full, and no table can be locked any more, not even by a backup.
WITH held AS (
    SELECT a.pid, a.usename, l.classid, l.objid, pg_catalog.count(*) OVER (PARTITION BY a.pid) AS locks,
        pg_catalog.row_number() OVER (PARTITION BY a.pid ORDER BY l.classid, l.objid) AS place,
        pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.state_change)) AS idle_s
    FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND a.usename = pg_catalog.current_setting('ringfence.app')
        AND pg_catalog.clock_timestamp() - a.state_change >= pg_catalog.make_interval(secs => pg_catalog.current_setting('ringfence.idle_s')::pg_catalog.float8)
)
SELECT 'medium', pg_catalog.format('session %s: advisory lock %s/%s', pid, classid, objid) || CASE WHEN locks > 10 THEN ' and ' || locks - 1 || ' more' ELSE '' END,
    pg_catalog.format('a session of %s holds it since %s s at least: whoever waits for that number (Prisma migrates under 72707369) waits for ever', usename, idle_s)
        || CASE WHEN locks > 10 THEN '; the server''s table of locks is for all, and can be full with them' ELSE '' END,
    pg_catalog.format('SELECT classid, objid FROM pg_catalog.pg_locks WHERE locktype = ''advisory'' AND pid = %s', pid),
    pg_catalog.format('SELECT pg_catalog.pg_terminate_backend(%s)', pid)
FROM held WHERE locks <= 10 OR place = 1
