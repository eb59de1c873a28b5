-- Who holds an advisory lock given by its two halves, and under which role and application name.
SELECT a.pid, a.usename::pg_catalog.text, a.application_name
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.classid = %(high)s::pg_catalog.int8::pg_catalog.oid
  AND l.objid = %(low)s::pg_catalog.int8::pg_catalog.oid
LIMIT 1
