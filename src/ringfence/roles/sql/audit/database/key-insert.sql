-- Keys that a sequence hands out and that the app may also write: ids ahead of the sequence make later inserts fail.
SELECT 'low', pg_catalog.format('%s.%I', c.oid::pg_catalog.regclass, a.attname),
    'the app can insert keys that the sequence has yet to hand out: the application''s own inserts then fail, one by one',
    pg_catalog.format('SELECT pg_catalog.has_column_privilege(%L, %L, %L, ''INSERT'')', pg_catalog.current_setting('ringfence.app'), c.oid::pg_catalog.regclass, a.attname),
    pg_catalog.format('REVOKE INSERT ON %s FROM PUBLIC, %I', c.oid::pg_catalog.regclass, pg_catalog.current_setting('ringfence.app'))
        || COALESCE('; GRANT INSERT (' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(o.attname), ', ' ORDER BY o.attnum) FROM pg_catalog.pg_attribute o
            WHERE o.attrelid = c.oid AND o.attnum > 0 AND NOT o.attisdropped AND o.attgenerated = '' AND o.attnum <> a.attnum)
        || pg_catalog.format(') ON %s TO %I', c.oid::pg_catalog.regclass, pg_catalog.current_setting('ringfence.app')), '')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND (a.attidentity <> '' OR EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.refobjid = c.oid AND d.refobjsubid = a.attnum AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'a'
        AND EXISTS (SELECT 1 FROM pg_catalog.pg_sequence s WHERE s.seqrelid = d.objid)))
    AND EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
        WHERE pg_catalog.has_column_privilege(r, c.oid, a.attnum, 'INSERT'))
