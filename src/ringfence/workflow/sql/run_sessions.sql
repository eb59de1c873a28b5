-- Sessions of a run, from whichever machine, in the production database: they hold its lock.
SELECT a.pid, a.application_name
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = %(database)s
  AND a.application_name LIKE 'ringfence run %%'
ORDER BY a.pid
