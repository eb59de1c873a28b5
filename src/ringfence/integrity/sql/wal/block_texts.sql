-- The same from the text that 15 has for the blocks of a record; no block of a main fork has a fork's name in it.
SELECT m.part[1]::pg_catalog.int8, m.part[2]::pg_catalog.int8,
       pg_catalog.bool_or(w.resource_manager = 'XLOG' AND w.record_type <> 'FPI_FOR_HINT')
FROM {schema}.pg_get_wal_records_info(%(start)s::pg_catalog.pg_lsn, %(end)s::pg_catalog.pg_lsn) AS w,
     LATERAL pg_catalog.regexp_matches(
         w.block_ref, pg_catalog.format('rel \d+/%%s/(\d+)(?: fork main)? blk (\d+)', %(database)s::pg_catalog.int8), 'g')
     AS m (part)
WHERE w.block_ref IS NOT NULL AND m.part[1]::pg_catalog.int8 = ANY (%(files)s::pg_catalog.int8[])
GROUP BY 1, 2
