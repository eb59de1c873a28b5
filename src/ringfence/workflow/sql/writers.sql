-- Client sessions in this database with a transaction that has written something and is still open.
SELECT a.pid, a.usename::pg_catalog.text, a.application_name
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = pg_catalog.current_database()
  AND a.pid <> pg_catalog.pg_backend_pid()
  AND a.backend_xid IS NOT NULL
  AND a.backend_type = 'client backend'
ORDER BY a.pid
