-- Messages, changes of the WAL's own settings, and what was done to the database as a directory of files.
SELECT w.resource_manager, w.record_type, w.description
FROM {schema}.pg_get_wal_records_info(%(start)s::pg_catalog.pg_lsn, %(end)s::pg_catalog.pg_lsn) AS w
WHERE w.resource_manager = 'LogicalMessage' AND w.description LIKE %(message)s
   OR w.resource_manager = 'XLOG' AND w.record_type = 'PARAMETER_CHANGE'
   OR w.resource_manager = 'Database' AND w.description ~ ('/' || %(database)s::pg_catalog.int8 || '(?![0-9])')
