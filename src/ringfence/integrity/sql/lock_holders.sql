-- Who holds tables of this database so that not even a reader gets in, as ALTER TABLE, TRUNCATE and VACUUM FULL do. A
-- prepared transaction has no session: what tells which one it is is the lock that it holds on its own transaction id.
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, a.pid, a.usename::pg_catalog.text, a.application_name,
       p.gid
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
LEFT JOIN (
    pg_catalog.pg_locks AS x
    JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = x.transactionid AND x.pid IS NULL
) ON l.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock' AND c.relkind = 'r'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
ORDER BY 1, 2
