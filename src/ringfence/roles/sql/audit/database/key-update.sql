-- Foreign keys that carry an update of a key on to the children, where the app may update the key.
SELECT CASE f.confupdtype WHEN 'c' THEN 'low' ELSE 'high' END,
    pg_catalog.format('foreign key %I on %s', f.conname, f.conrelid::pg_catalog.regclass),
    pg_catalog.format('an update of the key of %s by the app %s in %s, whatever its rights there', f.confrelid::pg_catalog.regclass,
        CASE f.confupdtype WHEN 'c' THEN 'changes the rows that refer to it' WHEN 'n' THEN 'sets the reference to NULL' ELSE 'sets the reference to its default' END,
        f.conrelid::pg_catalog.regclass),
    pg_catalog.format('SELECT pg_catalog.pg_get_constraintdef(%s)', f.oid),
    pg_catalog.format('REVOKE UPDATE ON %s FROM %I', f.confrelid::pg_catalog.regclass, pg_catalog.current_setting('ringfence.app'))
        || COALESCE('; GRANT UPDATE (' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = f.confrelid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attnum <> ALL (f.confkey))
        || pg_catalog.format(') ON %s TO %I', f.confrelid::pg_catalog.regclass, pg_catalog.current_setting('ringfence.app')), '')
FROM pg_catalog.pg_constraint f
WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confupdtype IN ('c', 'n', 'd') AND EXISTS (
    SELECT 1 FROM pg_catalog.unnest(f.confkey) k, pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
    WHERE pg_catalog.has_column_privilege(r, f.confrelid, k, 'UPDATE'))
