-- Who holds tables of this database so that not even a reader gets in, as ALTER TABLE, TRUNCATE and VACUUM FULL do.
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, a.pid, a.usename::pg_catalog.text, a.application_name
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock' AND c.relkind = 'r'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
ORDER BY 1, 2
