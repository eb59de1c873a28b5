-- Subscriptions of every database. The connection string may hold a password: a keyed digest.
SELECT
    quote_ident(dat.datname) || '.' || quote_ident(sub.subname) AS object,
    to_jsonb(sub) - '{oid,subdbid,subskiplsn,subname,subowner,subconninfo}'::text[]
    || jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(sub.subowner)),
        'connection', left(encode(sha256(textsend(%(seed)s::int8::text || ':' || sub.subconninfo)), 'hex'), 32)
    ) AS attributes
FROM pg_catalog.pg_subscription AS sub
JOIN pg_catalog.pg_database AS dat ON dat.oid = sub.subdbid
