-- How transactions ended: committed, aborted, in progress, or NULL for those that are too old to tell.
SELECT x, pg_catalog.pg_xact_status(x::pg_catalog.xid8)
FROM pg_catalog.unnest(%(xids)s::pg_catalog.text[]) AS x
