-- How a database encodes and compares text; which columns say so depends on the version, so the row comes whole.
SELECT pg_catalog.to_jsonb(d) - '{datacl,oid}'::pg_catalog.text[],
       pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text
FROM pg_catalog.pg_database AS d
WHERE d.datname = %(database)s
