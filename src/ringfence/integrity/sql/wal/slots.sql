-- The replication slots of one project of this tool: their names begin with what only it uses.
SELECT s.slot_name::pg_catalog.text, s.wal_status
FROM pg_catalog.pg_replication_slots AS s
WHERE s.slot_type = 'physical' AND pg_catalog.starts_with(s.slot_name::pg_catalog.text, %(prefix)s)
