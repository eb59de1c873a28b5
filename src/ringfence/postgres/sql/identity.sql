-- Who answers on this connection. Asked through the very connection that will be used, never taken from an address.
SELECT c.system_identifier::pg_catalog.text,
       d.oid::pg_catalog.int8,
       d.datname::pg_catalog.text,
       pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
       pg_catalog.current_setting('server_version'),
       -- A promoted standby writes the new timeline into its control file only with the checkpoint that follows.
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN (pg_catalog.pg_control_checkpoint()).timeline_id
            ELSE ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)
                 )::pg_catalog.bit(32)::pg_catalog.int4 END,
       CASE WHEN pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE')
            THEN pg_catalog.current_setting('data_directory') END,
       pg_catalog.pg_is_in_recovery(),
       (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)
FROM pg_catalog.pg_control_system() AS c,
     pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
