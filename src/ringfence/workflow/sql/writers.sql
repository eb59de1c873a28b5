-- Client sessions in this database with a transaction that has written something and is still open. Told by the lock
-- that every such transaction has on its own number: what pg_stat_activity says of it only some roles may read.
SELECT DISTINCT a.pid, a.usename::pg_catalog.text, a.application_name, pg_catalog.host(a.client_addr)
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'transactionid'
  AND l.mode = 'ExclusiveLock'
  AND l.granted
  AND a.datname = pg_catalog.current_database()
  AND a.pid <> pg_catalog.pg_backend_pid()
  AND (a.backend_type = 'client backend' OR a.backend_type IS NULL)
ORDER BY a.pid
