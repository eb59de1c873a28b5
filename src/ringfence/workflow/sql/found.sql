-- What a person is shown of a database before it is taken for an environment. Asked in the database itself.
SELECT (SELECT pg_catalog.count(*)
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p')
          AND c.relpersistence <> 't'
          AND n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND n.nspname !~ '^pg_(toast|temp)'),
       pg_catalog.pg_database_size(d.oid),
       (SELECT pg_catalog.count(*)
        FROM pg_catalog.pg_stat_activity AS a
        WHERE a.datid = d.oid AND a.pid <> pg_catalog.pg_backend_pid()),
       pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
