-- The guard's schema: whoever can reach it can read, forge or empty the history.
SELECT 'high', 'schema ' || pg_catalog.quote_ident(n.nspname),
    'the app can reach the history of overwritten rows',
    pg_catalog.format('SELECT nspacl FROM pg_catalog.pg_namespace WHERE nspname = %L', n.nspname),
    pg_catalog.format('REVOKE ALL ON SCHEMA %I FROM PUBLIC, %I', n.nspname, pg_catalog.current_setting('ringfence.app'))
FROM pg_catalog.pg_namespace n
WHERE n.nspname = pg_catalog.current_setting('ringfence.guard')
    AND EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r WHERE pg_catalog.has_schema_privilege(r, n.oid, 'USAGE'))
UNION ALL
SELECT 'high', pg_catalog.format('trigger %I on %s', t.tgname, t.tgrelid::pg_catalog.regclass),
    'the guard''s trigger is switched off, so nothing is kept or bounded',
    pg_catalog.format('SELECT tgenabled FROM pg_catalog.pg_trigger WHERE tgrelid = %L::pg_catalog.regclass AND tgname = %L', t.tgrelid::pg_catalog.regclass, t.tgname),
    pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.tgrelid::pg_catalog.regclass, t.tgname)
FROM pg_catalog.pg_trigger t
WHERE t.tgname = ANY (pg_catalog.current_setting('ringfence.guards')::pg_catalog.text[]) AND t.tgenabled IN ('D', 'R')
