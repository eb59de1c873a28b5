-- Triggers on tables and views, and the copies that a partitioned table's triggers have on its partitions. The hidden
-- ones of constraints are in constraint.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(rel.relname) || '.' || quote_ident(trg.tgname) AS object,
    to_jsonb(trg) - '{
        oid, tgrelid, tgparentid, tgname, tgfoid, tgisinternal, tgconstrrelid, tgconstrindid, tgconstraint,
        tgnargs, tgattr, tgargs, tgqual
    }'::text[]
    || jsonb_build_object(
        'definition', pg_get_triggerdef(trg.oid),
        'from_parent', trg.tgparentid <> 0,
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_trigger'::regclass
                AND dep.objid = trg.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_trigger AS trg
JOIN pg_catalog.pg_class AS rel ON rel.oid = trg.tgrelid
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = rel.relnamespace
LEFT JOIN pg_catalog.pg_constraint AS con ON con.oid = trg.tgconstraint
WHERE
    trg.oid >= 16384
    AND (NOT trg.tgisinternal OR (trg.tgparentid <> 0 AND coalesce(con.contype, 't') = 't'))
    AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
