-- The first byte of a file, as the server may read it.
SELECT pg_catalog.pg_read_binary_file(%(path)s, 0, 1)
