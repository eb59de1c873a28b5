-- Indexes, those of constraints too. Left out: indcheckxmin, which a later transaction resets. The statistics targets
-- of expression columns can be altered, the rest of a column cannot.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(rel.relname) AS object,
    to_jsonb(idx) - '{
        indexrelid, indrelid, indnatts, indnkeyatts, indkey, indcollation, indclass, indoption, indexprs,
        indpred, indcheckxmin
    }'::text[]
    || jsonb_build_object(
        'table', quote_ident(ntab.nspname) || '.' || quote_ident(tab.relname),
        'definition', pg_get_indexdef(idx.indexrelid),
        'partitioned', rel.relkind = 'I',
        'tablespace', (
            SELECT quote_ident(spc.spcname)
            FROM pg_catalog.pg_tablespace AS spc
            WHERE spc.oid = rel.reltablespace
        ),
        'parent', (
            SELECT quote_ident(up.nspname) || '.' || quote_ident(parent.relname)
            FROM pg_catalog.pg_inherits AS inh
            JOIN pg_catalog.pg_class AS parent ON parent.oid = inh.inhparent
            JOIN pg_catalog.pg_namespace AS up ON up.oid = parent.relnamespace
            WHERE inh.inhrelid = rel.oid
        ),
        'statistics_targets', ARRAY(
            SELECT att.attnum || ': ' || att.attstattarget
            FROM pg_catalog.pg_attribute AS att
            WHERE att.attrelid = rel.oid AND att.attstattarget >= 0 AND rel.relkind = 'i' AND idx.indexprs IS NOT NULL
            ORDER BY att.attnum
        ),
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_class'::regclass
                AND dep.objid = rel.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_index AS idx
JOIN pg_catalog.pg_class AS rel ON rel.oid = idx.indexrelid
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = rel.relnamespace
JOIN pg_catalog.pg_class AS tab ON tab.oid = idx.indrelid
JOIN pg_catalog.pg_namespace AS ntab ON ntab.oid = tab.relnamespace
WHERE rel.oid >= 16384 AND nsp.nspname <> 'pg_toast' AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
