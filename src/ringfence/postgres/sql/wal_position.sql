-- How far the WAL is on disk, in bytes since it began: of one server it only ever grows. What is only written, and not
-- flushed, may be lost with the machine's power. A standby has none of its own.
SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery()
            THEN (pg_catalog.pg_current_wal_flush_lsn() - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8 END
