-- Functions that run with their owner's rights and that the app may call; EXECUTE is everybody's unless it is revoked.
WITH callable AS (
    SELECT p.*, n.nspname, l.lanname, o.rolname AS owner, o.rolsuper,
        EXISTS (SELECT 1 FROM pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) a WHERE a.grantee = 0) AS by_all
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
    WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
        AND p.proowner <> ALL (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
        AND EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
            WHERE pg_catalog.has_function_privilege(r, p.oid, 'EXECUTE') AND pg_catalog.has_schema_privilege(r, n.oid, 'USAGE'))
)
SELECT CASE WHEN lanname NOT IN ('sql', 'plpgsql') OR prosrc ~* '\m(delete|truncate|drop|execute|alter|grant)\M' OR prosqlbody IS NOT NULL AND pg_catalog.pg_get_functiondef(oid) ~* '\m(delete|truncate)\M'
        THEN 'critical' ELSE 'high' END,
    oid::pg_catalog.regprocedure::pg_catalog.text,
    pg_catalog.format('the app may call it%s, and it runs as %s%s%s', CASE WHEN by_all THEN ' because everybody may' ELSE '' END, owner,
        CASE WHEN rolsuper THEN ', a superuser' ELSE '' END,
        CASE WHEN prosrc ~* '\mexecute\M' AND lanname = 'plpgsql' THEN ': it builds statements, so text given to it may become one'
            WHEN prosrc ~* '\m(delete|truncate|drop|alter|grant)\M' THEN ': its text deletes, drops or grants' ELSE '' END),
    pg_catalog.format('SELECT pg_catalog.pg_get_functiondef(%L::pg_catalog.regprocedure)', oid::pg_catalog.regprocedure),
    pg_catalog.format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %I', oid::pg_catalog.regprocedure, pg_catalog.current_setting('ringfence.app'))
FROM callable
