-- Settings of databases, of roles, and of roles in a database, in every database of the server.
SELECT
    coalesce(
            'role ' || quote_ident(rol.rolname), CASE WHEN stg.setrole <> 0 THEN 'role ' || stg.setrole ELSE '' END
        )
        || CASE WHEN stg.setrole <> 0 AND stg.setdatabase <> 0 THEN ' in ' ELSE '' END
        || CASE WHEN stg.setrole = 0 AND stg.setdatabase = 0 THEN 'all' ELSE '' END
        || coalesce(
            'database ' || quote_ident(dat.datname),
            CASE WHEN stg.setdatabase <> 0 THEN 'database ' || stg.setdatabase ELSE '' END
        )
        || ': ' || split_part(entry, '=', 1) AS object,
    jsonb_build_object('value', substr(entry, strpos(entry, '=') + 1)) AS attributes
FROM pg_catalog.pg_db_role_setting AS stg
LEFT JOIN pg_catalog.pg_roles AS rol ON rol.oid = stg.setrole
LEFT JOIN pg_catalog.pg_database AS dat ON dat.oid = stg.setdatabase,
    unnest(stg.setconfig) AS entry
