-- Rights on tables and views that the app must not have, by the entry that gives them: DELETE, TRUNCATE, TRIGGER, REFERENCES, MAINTAIN (17).
WITH given AS (
    SELECT c.oid, c.relowner, c.relkind, a.grantee, a.grantor, NULL::pg_catalog.name AS col, a.privilege_type
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, pg_catalog.aclexplode(c.relacl) a
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT c.oid, c.relowner, c.relkind, a.grantee, a.grantor, t.attname, a.privilege_type
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped, pg_catalog.aclexplode(t.attacl) a
    WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' AND a.privilege_type = 'REFERENCES'
), own AS (
    SELECT DISTINCT g.*, CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END AS who
    FROM given g
    WHERE (g.grantee = 0 OR g.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
        AND g.grantee <> g.relowner AND g.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE')
), cascaded AS (
    SELECT o.oid, pg_catalog.string_agg(DISTINCT f.conrelid::pg_catalog.regclass::pg_catalog.text, ', ') AS children
    FROM (SELECT DISTINCT oid FROM own WHERE privilege_type = 'DELETE') o
    JOIN pg_catalog.pg_constraint f ON f.contype = 'f' AND f.confrelid = o.oid AND f.confdeltype IN ('c', 'n', 'd')
    GROUP BY o.oid
)
SELECT CASE WHEN o.privilege_type IN ('DELETE', 'TRUNCATE', 'TRIGGER') THEN 'critical' ELSE 'medium' END,
    pg_catalog.format('%s: %s%s to %s', o.oid::pg_catalog.regclass, o.privilege_type, COALESCE(' (' || pg_catalog.quote_ident(o.col) || ')', ''), o.who),
    CASE o.privilege_type
        WHEN 'DELETE' THEN 'the app can delete its rows' || COALESCE('; foreign keys then delete or empty rows of ' || k.children || ', on which it needs no right', '')
        WHEN 'TRUNCATE' THEN 'the app can empty it in one statement'
        WHEN 'TRIGGER' THEN 'the app can hang a function of its own on it, which runs with the rights of whoever writes next'
        WHEN 'REFERENCES' THEN 'a table of the app that refers to it keeps the administrator from deleting and restoring'
        ELSE 'the app can lock, rewrite and reindex it: everybody waits' END,
    pg_catalog.format('SELECT pg_catalog.has_%s_privilege(%L, %L, %s%L)', CASE WHEN o.col IS NULL THEN 'table' ELSE 'column' END, CASE WHEN o.grantee = 0 THEN pg_catalog.current_setting('ringfence.app') ELSE pg_catalog.pg_get_userbyid(o.grantee) END,
        o.oid::pg_catalog.regclass, COALESCE(pg_catalog.quote_literal(o.col) || ', ', ''), o.privilege_type),
    CASE WHEN o.grantor = o.relowner THEN '' ELSE pg_catalog.format('SET ROLE %I; ', pg_catalog.pg_get_userbyid(o.grantor)) END
        || pg_catalog.format('REVOKE %s%s ON %s FROM %s', o.privilege_type, COALESCE(' (' || pg_catalog.quote_ident(o.col) || ')', ''), o.oid::pg_catalog.regclass, o.who)
        || CASE WHEN o.grantor = o.relowner THEN '' ELSE '; RESET ROLE' END
FROM own o LEFT JOIN cascaded k ON k.oid = o.oid AND o.privilege_type = 'DELETE'
