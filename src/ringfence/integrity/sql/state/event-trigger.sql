-- Event triggers.
SELECT
    quote_ident(evt.evtname) AS object,
    to_jsonb(evt) - '{oid,evtname,evtowner,evtfoid}'::text[]
    || jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(evt.evtowner)),
        'function', evt.evtfoid::regprocedure
    ) AS attributes
FROM pg_catalog.pg_event_trigger AS evt
