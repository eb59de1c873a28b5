-- The end of the WAL, and whether this server writes any of its own.
SELECT pg_catalog.pg_is_in_recovery(),
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
            ELSE pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text END,
       pg_catalog.current_setting('wal_level'),
       pg_catalog.current_setting('max_slot_wal_keep_size')
