-- Every table that statements can name, and whether it has the trigger: as it was made, and always on (60: after each
-- statement that inserts, updates, deletes or truncates).
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
       EXISTS (SELECT 1 FROM pg_catalog.pg_trigger AS t
               WHERE t.tgrelid = c.oid AND t.tgname = 'zz_ringfence_live') AS has_one,
       EXISTS (SELECT 1 FROM pg_catalog.pg_trigger AS t
               JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
               JOIN pg_catalog.pg_namespace AS f ON f.oid = p.pronamespace
               WHERE t.tgrelid = c.oid AND t.tgname = 'zz_ringfence_live'
                 AND f.nspname = 'ringfence_live' AND p.proname = 'attest'
                 AND t.tgtype = 60 AND t.tgenabled = 'A' AND t.tgqual IS NULL AND t.tgnargs = 0
                 AND pg_catalog.cardinality(t.tgattr::pg_catalog.int2[]) = 0) AS is_sound
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'ringfence_live')
  AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
