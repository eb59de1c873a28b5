-- What may have to do with rows, in its order: records of this database's blocks, ends of transactions, messages, and
-- what `notices` has.
SELECT w.xid::pg_catalog.text::pg_catalog.int8, w.resource_manager, w.record_type, w.description, w.block_ref
FROM {schema}.pg_get_wal_records_info(%(start)s::pg_catalog.pg_lsn, %(end)s::pg_catalog.pg_lsn) AS w
WHERE w.resource_manager IN ('Transaction', 'LogicalMessage')
   OR w.block_ref LIKE '%%/' || %(database)s::pg_catalog.int8 || '/%%'
   OR w.resource_manager = 'XLOG' AND w.record_type = 'PARAMETER_CHANGE'
   OR w.resource_manager = 'Database' AND w.description ~ ('/' || %(database)s::pg_catalog.int8 || '(?![0-9])')
