-- A message in the WAL that is on disk, with all of the WAL before it, and takes no transaction number (17+).
SELECT pg_catalog.pg_logical_emit_message(false, %(prefix)s, '', true)::pg_catalog.text
