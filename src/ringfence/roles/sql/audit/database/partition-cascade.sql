-- Up to 14 a row that moves to another partition is deleted and inserted: ON DELETE CASCADE deletes the rows that refer to it.
SELECT 'critical', pg_catalog.format('foreign key %I on %s', f.conname, f.conrelid::pg_catalog.regclass),
    pg_catalog.format('an UPDATE of %s by the app that moves rows between partitions deletes the rows of %s that refer to them', f.confrelid::pg_catalog.regclass, f.conrelid::pg_catalog.regclass),
    pg_catalog.format('SELECT pg_catalog.pg_get_constraintdef(%s)', f.oid),
    pg_catalog.format('REVOKE UPDATE ON %s FROM %I', f.confrelid::pg_catalog.regclass, pg_catalog.current_setting('ringfence.app'))
FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = f.confrelid
WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confdeltype IN ('c', 'n', 'd')
    AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 150000
    AND EXISTS (SELECT 1 FROM pg_catalog.unnest(p.partattrs) k, pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
        WHERE k > 0 AND pg_catalog.has_column_privilege(r, f.confrelid, k, 'UPDATE'))
