-- A sequence of 32 bits is used up in minutes by calling nextval, which no rollback gives back.
SELECT 'low', 'sequence ' || s.seqrelid::pg_catalog.regclass::pg_catalog.text,
    pg_catalog.format('it ends at %s: nextval alone, without any row, uses it up in minutes, and then no insert succeeds', s.seqmax),
    pg_catalog.format('SELECT seqmax FROM pg_catalog.pg_sequence WHERE seqrelid = %L::pg_catalog.regclass', s.seqrelid::pg_catalog.regclass),
    pg_catalog.format('ALTER SEQUENCE %s AS bigint', s.seqrelid::pg_catalog.regclass)
        || COALESCE(pg_catalog.format('; ALTER TABLE %s ALTER COLUMN %I TYPE bigint', a.attrelid::pg_catalog.regclass, a.attname), '')
FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = s.seqrelid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0
WHERE s.seqmax <= 2147483647 AND c.relpersistence <> 't' AND EXISTS (
    SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
    WHERE CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(r, c.oid, 'USAGE') END
        OR a.attidentity <> '' AND pg_catalog.has_table_privilege(r, a.attrelid, 'INSERT'))
