-- Whether this session holds the advisory lock given by its two halves.
SELECT pg_catalog.count(*) = 1
FROM pg_catalog.pg_locks AS l
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid = pg_catalog.pg_backend_pid()
  AND l.classid = %(high)s::pg_catalog.int8::pg_catalog.oid
  AND l.objid = %(low)s::pg_catalog.int8::pg_catalog.oid
