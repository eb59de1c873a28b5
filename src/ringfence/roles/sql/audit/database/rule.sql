-- Rules rewrite what the app writes, below a view and under a foreign key too, and run with the rights of the table's owner.
WITH fired AS (
    SELECT w.*, pg_catalog.pg_get_ruledef(w.oid) AS definition,
        CASE w.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' WHEN '4' THEN 'DELETE' END AS event
    FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE w.ev_type <> '1' AND w.ev_enabled <> 'D' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
)
SELECT CASE WHEN definition ~* '\m(delete from|truncate)\M' THEN 'critical' ELSE 'high' END,
    pg_catalog.format('rule %I on %s', rulename, ev_class::pg_catalog.regclass),
    CASE WHEN definition ~* '\m(delete from|truncate)\M' THEN 'an ' || event || ' of the app deletes rows with the owner''s rights'
        WHEN definition ~* 'do instead\s+nothing' THEN 'what the app writes with ' || event || ' is swallowed without an error'
        ELSE 'an ' || event || ' of the app becomes other statements, which run with the owner''s rights' END,
    pg_catalog.format('SELECT pg_catalog.pg_get_ruledef(oid) FROM pg_catalog.pg_rewrite WHERE ev_class = %L::pg_catalog.regclass AND rulename = %L', ev_class::pg_catalog.regclass, rulename),
    pg_catalog.format('DROP RULE %I ON %s', rulename, ev_class::pg_catalog.regclass)
FROM fired
WHERE ev_class IN (SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.lent')::pg_catalog.oid[]))
    OR event = 'UPDATE' AND ev_class IN (SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.cascaded')::pg_catalog.oid[]))
    OR EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r
    WHERE pg_catalog.has_table_privilege(r, ev_class, event) OR event <> 'DELETE' AND pg_catalog.has_any_column_privilege(r, ev_class, CASE event WHEN 'DELETE' THEN 'UPDATE' ELSE event END))
