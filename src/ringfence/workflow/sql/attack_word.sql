-- The settings of a database, among them the word that only the process that made it knows; any role may ask.
SELECT s.setconfig
FROM pg_catalog.pg_db_role_setting AS s JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
WHERE d.datname = %(database)s AND s.setrole = 0
