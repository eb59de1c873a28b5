-- Policies hide rows from whoever is neither superuser nor BYPASSRLS: a verifier that does not know sees less and says nothing.
SELECT 'low', c.oid::pg_catalog.regclass::pg_catalog.text,
    'row security hides rows here from any ordinary role without an error: whoever counts or compares must be a superuser, have BYPASSRLS, or set row_security = off (Ringfence does)',
    pg_catalog.format('SELECT relrowsecurity, relforcerowsecurity FROM pg_catalog.pg_class WHERE oid = %L::pg_catalog.regclass', c.oid::pg_catalog.regclass),
    pg_catalog.format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', c.oid::pg_catalog.regclass)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relrowsecurity AND c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%'
