-- A message in the WAL under the number of a transaction of its own. Its commit puts all of the WAL before it on disk.
SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text,
       pg_catalog.pg_logical_emit_message(true, %(prefix)s, '')::pg_catalog.text
