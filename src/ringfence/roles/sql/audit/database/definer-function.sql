-- Functions that run with their owner's rights and that the app may call; EXECUTE is everybody's unless it is revoked.
-- A schema without USAGE keeps nobody from one that a view, an operator, a default, a cast, a domain or the body of another
-- function names, and an aggregate calls its functions with the rights of its owner.
WITH reach AS (
    SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) AS role
), callable AS (
    SELECT p.*, n.nspname, l.lanname, o.rolname AS owner, o.rolsuper, g.aggregate,
        EXISTS (SELECT 1 FROM pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) a WHERE a.grantee = 0) AS by_all
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
    LEFT JOIN LATERAL (SELECT pg_catalog.string_agg(f.aggfnoid::pg_catalog.regprocedure::pg_catalog.text, ', ') AS aggregate
        FROM pg_catalog.pg_aggregate f JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.aggfnoid
            AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = p.oid
        WHERE EXISTS (SELECT 1 FROM reach r WHERE pg_catalog.has_function_privilege(r.role, f.aggfnoid, 'EXECUTE'))) g ON true
    WHERE p.prosecdef AND p.oid >= 16384
        AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
        AND p.proowner NOT IN (SELECT role FROM reach)
        AND (g.aggregate IS NOT NULL OR EXISTS (SELECT 1 FROM reach r WHERE pg_catalog.has_function_privilege(r.role, p.oid, 'EXECUTE')
            AND (pg_catalog.has_schema_privilege(r.role, n.oid, 'USAGE') OR EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = p.oid AND d.deptype IN ('n', 'a')))))
)
SELECT CASE WHEN lanname NOT IN ('sql', 'plpgsql') OR prosrc ~* '\m(delete|truncate|drop|execute|alter|grant)\M' OR prosqlbody IS NOT NULL AND pg_catalog.pg_get_functiondef(oid) ~* '\m(delete|truncate)\M'
        THEN 'critical' ELSE 'high' END,
    oid::pg_catalog.regprocedure::pg_catalog.text,
    pg_catalog.format('the app may call it%s, and it runs as %s%s%s', CASE WHEN aggregate IS NOT NULL THEN ' through ' || aggregate WHEN by_all THEN ' because everybody may' ELSE '' END, owner,
        CASE WHEN rolsuper THEN ', a superuser' ELSE '' END,
        CASE WHEN prosrc ~* '\mexecute\M' AND lanname = 'plpgsql' THEN ': it builds statements, so text given to it may become one'
            WHEN prosrc ~* '\m(delete|truncate|drop|alter|grant)\M' THEN ': its text deletes, drops or grants' ELSE '' END),
    pg_catalog.format('SELECT pg_catalog.pg_get_functiondef(%L::pg_catalog.regprocedure)', oid::pg_catalog.regprocedure),
    pg_catalog.format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %I', COALESCE(aggregate || ', ', '') || oid::pg_catalog.regprocedure::pg_catalog.text, pg_catalog.current_setting('ringfence.app'))
FROM callable
