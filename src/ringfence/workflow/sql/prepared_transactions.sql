-- Prepared transactions of a database: they belong to no session, and hold their locks until somebody decides.
SELECT p.gid, p.owner::pg_catalog.text
FROM pg_catalog.pg_prepared_xacts AS p
WHERE p.database = %(database)s
ORDER BY p.prepared, p.gid
