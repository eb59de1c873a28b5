-- What leads out of a database without anybody logging in again; options may hold passwords and are not read.
SELECT 'foreign server', s.srvname::pg_catalog.text
FROM pg_catalog.pg_foreign_server AS s
UNION ALL
SELECT 'subscription', s.subname::pg_catalog.text
FROM pg_catalog.pg_subscription AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid AND d.datname = pg_catalog.current_database()
ORDER BY 1, 2
