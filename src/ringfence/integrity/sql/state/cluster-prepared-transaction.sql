-- Prepared transactions of every database: each can still be committed by whoever prepared it.
SELECT
    prep.gid AS object,
    jsonb_build_object('owner', prep.owner, 'database', prep.database, 'prepared', prep.prepared) AS attributes
FROM pg_catalog.pg_prepared_xacts AS prep
