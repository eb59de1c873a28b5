-- Sessions of the app that sit in a transaction now: their locks, their snapshot and their LISTEN queue stay.
SELECT 'medium', 'session ' || pid,
    pg_catalog.format('a session of %s is %s since %s s: it holds its locks, keeps vacuum from cleaning, and as a listener lets the notification queue grow',
        usename, state, pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - state_change))),
    pg_catalog.format('SELECT pid, state, state_change FROM pg_catalog.pg_stat_activity WHERE pid = %s', pid),
    pg_catalog.format('SELECT pg_catalog.pg_terminate_backend(%s)', pid)
FROM pg_catalog.pg_stat_activity
WHERE usename = pg_catalog.current_setting('ringfence.app') AND state LIKE 'idle in transaction%'
    AND pg_catalog.clock_timestamp() - state_change >= pg_catalog.make_interval(secs => pg_catalog.current_setting('ringfence.idle_s')::pg_catalog.float8)
