-- Whether the row of this database in the catalog is older than a transaction (its number modulo 2^32): a database that
-- was dropped and made anew, or copied in as files, has a new one.
SELECT (d.xmin::pg_catalog.text::pg_catalog.int8 - %(first_xid)s::pg_catalog.int8 %% 4294967296 + 6442450944)
       %% 4294967296 - 2147483648 < 0
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
