-- What holds a database, or stays with it when it is renamed, without a session that could be ended for good.
SELECT 'prepared transaction' AS kind, p.gid AS name, p.owner::pg_catalog.text AS role, NULL::pg_catalog.int4 AS pid
FROM pg_catalog.pg_prepared_xacts AS p
WHERE p.database = %(database)s
UNION ALL
SELECT 'replication slot', s.slot_name::pg_catalog.text, NULL, s.active_pid
FROM pg_catalog.pg_replication_slots AS s
WHERE s.database = %(database)s
UNION ALL
SELECT CASE WHEN s.subenabled THEN 'subscription' ELSE 'disabled subscription' END,
       s.subname::pg_catalog.text, pg_catalog.pg_get_userbyid(s.subowner)::pg_catalog.text, NULL
FROM pg_catalog.pg_subscription AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
WHERE d.datname = %(database)s
ORDER BY 1, 2
