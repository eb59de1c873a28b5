-- A prepared transaction has no session: verification passes, COMMIT PREPARED changes the rows later; its locks outlive a restart.
SELECT 'critical', 'prepared transaction ' || pg_catalog.quote_literal(gid),
    pg_catalog.format('prepared by %s in database %s at %s: it holds locks, and COMMIT PREPARED changes production at any later time', owner, database, prepared),
    'SELECT gid, owner, database FROM pg_catalog.pg_prepared_xacts',
    pg_catalog.format('ROLLBACK PREPARED %L', gid)
FROM pg_catalog.pg_prepared_xacts
UNION ALL
SELECT 'medium', 'max_prepared_transactions = ' || setting,
    'any role may leave a prepared transaction behind: rows change after the verification, locks stay without a session to end',
    'SELECT setting FROM pg_catalog.pg_settings WHERE name = ''max_prepared_transactions''',
    'ALTER SYSTEM SET max_prepared_transactions = 0'
FROM pg_catalog.pg_settings WHERE name = 'max_prepared_transactions' AND setting::pg_catalog.int4 > 0
