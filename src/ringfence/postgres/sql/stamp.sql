-- The stamp, from the catalog. current_setting() would be wrong: any session can SET it, PGOPTIONS and roles too.
SELECT pg_catalog.split_part(entry, '=', 1) AS name,
       pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) AS value
FROM pg_catalog.pg_db_role_setting AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase,
     pg_catalog.unnest(s.setconfig) AS entry
WHERE s.setrole = 0
  AND d.datname = %(database)s
  AND entry LIKE 'ringfence.%%'
