-- The transactions as this session's snapshot sees them: the oldest open one, the first not begun or not ended, the open ones.
SELECT pg_catalog.pg_snapshot_xmin(s.now)::pg_catalog.text,
       pg_catalog.pg_snapshot_xmax(s.now)::pg_catalog.text,
       ARRAY(SELECT x::pg_catalog.text FROM pg_catalog.pg_snapshot_xip(s.now) AS x)
FROM (SELECT pg_catalog.pg_current_snapshot() AS now) AS s
