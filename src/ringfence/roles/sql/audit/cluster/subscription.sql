-- What is deleted at the publisher is deleted here, with the subscription owner's rights.
SELECT CASE WHEN s.subenabled THEN 'critical' ELSE 'high' END,
    pg_catalog.format('subscription %I in database %I', s.subname, d.datname),
    'what is written or deleted at the publisher is done here too, by a background worker that no right of the app binds',
    'SELECT subname, subenabled FROM pg_catalog.pg_subscription',
    pg_catalog.format('DROP SUBSCRIPTION %I', s.subname)
FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
