-- The databases of the cluster, and whether the app can connect to each through any role it can take on.
SELECT d.datname, EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
    WHERE pg_catalog.has_database_privilege(r, d.oid, 'CONNECT')) AS app_connects
FROM pg_catalog.pg_database d
WHERE d.datallowconn
ORDER BY d.datname
