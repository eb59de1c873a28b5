-- Where the files of this server are, and which server it is: for the administrator.
SELECT pg_catalog.current_setting('data_directory'),
       (SELECT system_identifier::text FROM pg_catalog.pg_control_system())
