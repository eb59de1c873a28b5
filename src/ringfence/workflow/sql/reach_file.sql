-- Whether a path is a directory for the server; NULL where it sees nothing of that name.
SELECT (pg_catalog.pg_stat_file(%(path)s, true)).isdir
