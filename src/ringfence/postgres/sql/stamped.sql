-- Databases of this server that carry a given stamp, oldest first.
SELECT d.datname::pg_catalog.text
FROM pg_catalog.pg_database AS d
JOIN pg_catalog.pg_db_role_setting AS s ON s.setdatabase = d.oid AND s.setrole = 0
WHERE ('ringfence.environment=' || %(environment)s) = ANY (s.setconfig)
  AND ('ringfence.project=' || %(project)s) = ANY (s.setconfig)
ORDER BY d.oid
