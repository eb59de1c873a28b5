-- The names in a directory, as the server may read them.
SELECT pg_catalog.pg_ls_dir(%(path)s) LIMIT 1
