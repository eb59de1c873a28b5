-- The files of the catalogs that decide what the application's own statements do: triggers, functions, rules, policies.
-- Not defaults: every temporary table with one writes there, and nothing in the WAL says that it was temporary.
SELECT c.relname::pg_catalog.text, pg_catalog.pg_relation_filenode(c.oid)::pg_catalog.int8
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
  AND c.relname IN ('pg_trigger', 'pg_proc', 'pg_rewrite', 'pg_policy', 'pg_event_trigger')
