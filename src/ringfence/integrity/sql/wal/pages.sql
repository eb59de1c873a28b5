-- The blocks of a table (or of its oversized values) whose last record in the WAL is not older than a position. A page of
-- zeros holds no row.
SELECT b.block
FROM pg_catalog.generate_series(0, pg_catalog.pg_relation_size(%(table)s::pg_catalog.text::pg_catalog.regclass)
         / pg_catalog.current_setting('block_size')::pg_catalog.int8 - 1) AS b (block)
WHERE ({schema}.page_header({schema}.get_raw_page(%(table)s::pg_catalog.text, 'main', b.block))).lsn >= %(start)s::pg_catalog.pg_lsn
