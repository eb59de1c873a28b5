-- Blocks of main forks that the WAL names, by file; and whether one was written whole, other than for a hint bit (16+).
SELECT w.relfilenode::pg_catalog.int8, w.relblocknumber::pg_catalog.int8,
       pg_catalog.bool_or(w.resource_manager = 'XLOG' AND w.record_type <> 'FPI_FOR_HINT')
FROM {schema}.pg_get_wal_block_info(%(start)s::pg_catalog.pg_lsn, %(end)s::pg_catalog.pg_lsn, false) AS w
WHERE w.reldatabase = %(database)s::pg_catalog.oid AND w.relforknumber = 0
  AND w.relfilenode = ANY (%(files)s::pg_catalog.int8[]::pg_catalog.oid[])
GROUP BY 1, 2
