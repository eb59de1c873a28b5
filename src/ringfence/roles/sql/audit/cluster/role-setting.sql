-- Settings kept for the app role: it can write them itself (ALTER ROLE … SET), and every later session starts with them. Of
-- those that a database or every role has, the ones that take protection away.
WITH kept AS (
    SELECT s.setrole, s.setdatabase, d.datname, r.rolname, pg_catalog.split_part(c, '=', 1) AS name, pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) AS value, c
    FROM pg_catalog.pg_db_role_setting s
    CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c
    LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    WHERE s.setrole = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
        OR s.setrole = 0
), judged AS (
    SELECT k.*, b.what FROM kept k LEFT JOIN (VALUES
        ('session_replication_role', '^(replica|local)$', 'triggers and foreign keys are switched off in every session'),
        ('lo_compat_privileges', '^(on|true|yes|1|t|y)$', 'large objects have no owner and no rights in every session: any of them can be unlinked or overwritten'),
        ('allow_system_table_mods', '^(on|true|yes|1|t|y)$', 'catalogs can be changed by hand in every session'),
        ('zero_damaged_pages', '^(on|true|yes|1|t|y)$', 'a damaged page that a session reads is emptied')
    ) b(name, bad, what) ON b.name = k.name AND k.value ~* b.bad
)
SELECT CASE WHEN what IS NOT NULL THEN 'critical' ELSE 'medium' END,
    COALESCE(pg_catalog.quote_ident(rolname), 'database ' || pg_catalog.quote_ident(datname), 'every role') || ': ' || name,
    COALESCE(what, 'every session of the app starts with ' || c || ', which ringfence.toml does not name: it can lock the application out (default_transaction_read_only), lead its names elsewhere (search_path) or change what values look like'),
    pg_catalog.format('SELECT setconfig FROM pg_catalog.pg_db_role_setting WHERE setrole = %s AND setdatabase = %s', setrole, setdatabase),
    pg_catalog.format('ALTER %s RESET %s',
        CASE WHEN setrole = 0 AND setdatabase <> 0 THEN 'DATABASE ' || pg_catalog.quote_ident(datname)
            ELSE 'ROLE ' || COALESCE(pg_catalog.quote_ident(rolname), 'ALL') || COALESCE(' IN DATABASE ' || pg_catalog.quote_ident(datname), '') END,
        name)
FROM judged
WHERE what IS NOT NULL OR setrole <> 0 AND NOT (c = ANY (pg_catalog.current_setting('ringfence.settings')::pg_catalog.text[])
    AND datname IS NOT DISTINCT FROM pg_catalog.current_setting('ringfence.database'))
