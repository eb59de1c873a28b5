-- The limit that holds for a new session of the app: its own setting before the database's before the server's.
WITH kept AS (
    SELECT pg_catalog.split_part(c, '=', 2) AS value,
        (s.setrole <> 0)::pg_catalog.int4 * 2 + (s.setdatabase <> 0)::pg_catalog.int4 AS weight
    FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c
    WHERE pg_catalog.split_part(c, '=', 1) = 'idle_in_transaction_session_timeout'
        AND (s.setrole = 0 OR s.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = pg_catalog.current_setting('ringfence.app')))
        AND (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_setting('ringfence.database')))
), holds AS (
    SELECT COALESCE((SELECT value FROM kept ORDER BY weight DESC LIMIT 1),
        (SELECT reset_val FROM (SELECT setting AS reset_val FROM pg_catalog.pg_file_settings WHERE name = 'idle_in_transaction_session_timeout' AND applied ORDER BY seqno DESC LIMIT 1) f),
        (SELECT boot_val FROM pg_catalog.pg_settings WHERE name = 'idle_in_transaction_session_timeout')) AS value
)
SELECT 'low', 'idle_in_transaction_session_timeout',
    'a session that locked rows and went idle stops every other writer for ever (the app can also switch the limit off: it bounds accidents, not intent)',
    'SHOW idle_in_transaction_session_timeout',
    pg_catalog.format('ALTER ROLE %I IN DATABASE %I SET idle_in_transaction_session_timeout = ''10min''', pg_catalog.current_setting('ringfence.app'), pg_catalog.current_setting('ringfence.database'))
FROM holds WHERE value ~ '^0[a-z]*$'
