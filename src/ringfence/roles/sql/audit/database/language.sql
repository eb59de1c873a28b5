-- Languages whose functions are programs on the server, open to the app.
SELECT 'critical', 'language ' || pg_catalog.quote_ident(l.lanname),
    'the app can write functions in a language that is not confined: they run as the server''s account',
    pg_catalog.format('SELECT lanpltrusted, lanacl FROM pg_catalog.pg_language WHERE lanname = %L', l.lanname),
    CASE WHEN l.lanname IN ('c', 'internal') THEN pg_catalog.format('UPDATE pg_catalog.pg_language SET lanpltrusted = false WHERE lanname = %L', l.lanname)
        ELSE pg_catalog.format('REVOKE USAGE ON LANGUAGE %I FROM PUBLIC, %I', l.lanname, pg_catalog.current_setting('ringfence.app')) END
FROM pg_catalog.pg_language l
WHERE (l.lanispl AND (NOT l.lanpltrusted AND l.lanacl IS NOT NULL OR l.lanpltrusted AND l.lanname ~ 'u$')
        OR l.lanname IN ('c', 'internal') AND l.lanpltrusted)
    AND EXISTS (SELECT 1 FROM pg_catalog.aclexplode(COALESCE(l.lanacl, pg_catalog.acldefault('l', l.lanowner))) a
        WHERE a.grantee <> l.lanowner AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])))
