-- Trigger functions with their owner's rights where the app's writing arrives, on whatever way: EXECUTE is not asked when
-- a trigger fires. A trigger of a partition is its parent's, and can only be dropped there.
WITH RECURSIVE fired AS (
    SELECT t.oid, t.tgparentid FROM pg_catalog.pg_trigger t
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND (
        t.tgrelid IN (SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.written')::pg_catalog.oid[])
            UNION ALL SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.lent')::pg_catalog.oid[]))
        OR t.tgtype & 16 = 16 AND t.tgrelid IN (SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.cascaded')::pg_catalog.oid[])))
    UNION
    SELECT t.oid, t.tgparentid FROM fired f JOIN pg_catalog.pg_trigger t ON t.oid = f.tgparentid
)
SELECT CASE WHEN l.lanname NOT IN ('sql', 'plpgsql') OR p.prosrc ~* '\m(delete|truncate|drop|execute|alter|grant)\M' THEN 'critical' ELSE 'high' END,
    pg_catalog.format('trigger %I on %s', t.tgname, t.tgrelid::pg_catalog.regclass),
    pg_catalog.format('what the app writes there (itself, through a view or a parent table, or by a key that a foreign key carries on) runs %s as %s%s',
        p.oid::pg_catalog.regprocedure, pg_catalog.pg_get_userbyid(p.proowner),
        CASE WHEN p.prosrc ~* '\m(delete|truncate|drop|execute|alter|grant)\M' THEN ', and its text deletes, drops or builds statements' ELSE '' END),
    pg_catalog.format('SELECT pg_catalog.pg_get_functiondef(%L::pg_catalog.regprocedure)', p.oid::pg_catalog.regprocedure),
    pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::pg_catalog.regclass)
FROM fired f JOIN pg_catalog.pg_trigger t ON t.oid = f.oid AND t.tgparentid = 0
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.prosecdef
    -- The guard's own functions: nobody but the administrator can make one there.
    AND NOT (n.nspname = pg_catalog.current_setting('ringfence.guard') AND n.nspowner = p.proowner
        AND n.nspowner <> ALL (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
    -- Functions of this tool that are known to the letter, as long as they are out of reach.
    AND NOT (pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p.prosrc, 'UTF8')), 'hex')
            = ANY (pg_catalog.current_setting('ringfence.known_functions')::pg_catalog.text[])
        AND p.proowner <> ALL (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
