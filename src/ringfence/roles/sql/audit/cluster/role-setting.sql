-- Settings kept for the app role: it can write them itself (ALTER ROLE … SET), and every later session starts with them.
WITH kept AS (
    SELECT s.setdatabase, d.datname, r.rolname, pg_catalog.split_part(c, '=', 1) AS name, c
    FROM pg_catalog.pg_db_role_setting s
    CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c
    LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    WHERE s.setrole = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
        OR s.setrole = 0
)
SELECT CASE WHEN name = 'session_replication_role' THEN 'critical' ELSE 'medium' END,
    COALESCE(pg_catalog.quote_ident(rolname), 'database ' || pg_catalog.quote_ident(datname)) || ': ' || name,
    CASE WHEN name = 'session_replication_role' THEN 'triggers and foreign keys are switched off in every session'
        ELSE 'every session of the app starts with ' || c || ', which ringfence.toml does not name: it can lock the application out (default_transaction_read_only), lead its names elsewhere (search_path) or change what values look like' END,
    pg_catalog.format('SELECT setconfig FROM pg_catalog.pg_db_role_setting WHERE setrole = pg_catalog.to_regrole(%L)', pg_catalog.quote_ident(COALESCE(rolname, ''))),
    pg_catalog.format('ALTER %s%s RESET %s',
        CASE WHEN rolname IS NOT NULL THEN 'ROLE ' || pg_catalog.quote_ident(rolname) ELSE 'DATABASE ' || pg_catalog.quote_ident(datname) END,
        CASE WHEN rolname IS NOT NULL AND datname IS NOT NULL THEN ' IN DATABASE ' || pg_catalog.quote_ident(datname) ELSE '' END,
        name)
FROM kept
WHERE (rolname IS NOT NULL AND NOT (c = ANY (pg_catalog.current_setting('ringfence.settings')::pg_catalog.text[])
            AND datname IS NOT DISTINCT FROM pg_catalog.current_setting('ringfence.database')))
    OR (rolname IS NULL AND name = 'session_replication_role')
