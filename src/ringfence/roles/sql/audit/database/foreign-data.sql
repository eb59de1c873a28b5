-- Doors to other servers: stored credentials the app may use, and foreign tables it may write.
SELECT 'critical', pg_catalog.format('user mapping for %s on server %I', COALESCE(pg_catalog.quote_ident(r.rolname), 'PUBLIC'), s.srvname),
    'the app acts on another server with credentials that are stored here: if they are production''s, rights in this database do not matter',
    'SELECT srvname, umuser FROM pg_catalog.pg_user_mappings',
    pg_catalog.format('DROP USER MAPPING FOR %s SERVER %I', COALESCE(pg_catalog.quote_ident(r.rolname), 'PUBLIC'), s.srvname)
FROM pg_catalog.pg_user_mappings u JOIN pg_catalog.pg_foreign_server s ON s.oid = u.srvid LEFT JOIN pg_catalog.pg_roles r ON r.oid = u.umuser
WHERE u.umuser = 0 OR u.umuser = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
UNION ALL
SELECT 'high', 'foreign server ' || pg_catalog.quote_ident(s.srvname), 'the app may make foreign connections through it',
    pg_catalog.format('SELECT pg_catalog.has_server_privilege(%L, %L, ''USAGE'')', pg_catalog.current_setting('ringfence.app'), s.srvname),
    pg_catalog.format('REVOKE USAGE ON FOREIGN SERVER %I FROM PUBLIC, %I', s.srvname, pg_catalog.current_setting('ringfence.app'))
FROM pg_catalog.pg_foreign_server s
WHERE EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r WHERE pg_catalog.has_server_privilege(r, s.oid, 'USAGE'))
UNION ALL
SELECT 'high', 'foreign-data wrapper ' || pg_catalog.quote_ident(w.fdwname), 'the app may define servers with it: any address, any credentials it knows',
    pg_catalog.format('SELECT pg_catalog.has_foreign_data_wrapper_privilege(%L, %L, ''USAGE'')', pg_catalog.current_setting('ringfence.app'), w.fdwname),
    pg_catalog.format('REVOKE USAGE ON FOREIGN DATA WRAPPER %I FROM PUBLIC, %I', w.fdwname, pg_catalog.current_setting('ringfence.app'))
FROM pg_catalog.pg_foreign_data_wrapper w
WHERE EXISTS (SELECT 1 FROM pg_catalog.unnest(pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]) r WHERE pg_catalog.has_foreign_data_wrapper_privilege(r, w.oid, 'USAGE'))
UNION ALL
SELECT 'high', 'foreign table ' || c.oid::pg_catalog.regclass::pg_catalog.text, 'what the app writes there is written on another server, with the rights of the user that is mapped there',
    pg_catalog.format('SELECT ftoptions FROM pg_catalog.pg_foreign_table WHERE ftrelid = %L::pg_catalog.regclass', c.oid::pg_catalog.regclass),
    pg_catalog.format('REVOKE INSERT, UPDATE, DELETE ON %s FROM PUBLIC, %I', c.oid::pg_catalog.regclass, pg_catalog.current_setting('ringfence.app'))
FROM pg_catalog.pg_class c
WHERE c.relkind = 'f' AND c.oid IN (SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.written')::pg_catalog.oid[])
    UNION ALL SELECT pg_catalog.unnest(pg_catalog.current_setting('ringfence.lent')::pg_catalog.oid[]))
