-- Doors that open without a secret. The file is what the server would load now; an error in it is shown too.
SELECT CASE
        WHEN error IS NOT NULL THEN 'high'
        -- In a container that has a network of its own these lines are for programs inside it and for nobody else.
        WHEN pg_catalog.current_setting('ringfence.contained') = 'on' AND auth_method IN ('trust', 'peer', 'ident')
            AND (type = 'local' OR address IN ('127.0.0.1', '::1') AND netmask IN ('255.255.255.255', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')) THEN 'low'
        WHEN auth_method = 'trust' THEN 'critical'
        WHEN auth_method IN ('peer', 'ident') THEN 'high'
        WHEN auth_method IN ('password', 'md5') THEN 'low' END,
    'pg_hba line ' || line_number,
    COALESCE('the line cannot be read: ' || error, CASE
        WHEN auth_method = 'trust' THEN 'whoever reaches the server is any role of ' || pg_catalog.array_to_string(user_name, ', ') || ' without a password, superusers included where they are named or all are'
        WHEN auth_method = 'peer' THEN 'a program that runs under an operating system account of that name (an agent as postgres, or as root) is ' || pg_catalog.array_to_string(user_name, ', ') || ' without a password'
        WHEN auth_method = 'ident' THEN 'what the client''s machine says is believed: ' || pg_catalog.array_to_string(user_name, ', ') || ' without a password'
        WHEN auth_method = 'password' THEN 'the password crosses the network as it is'
        ELSE 'md5 hashes can be guessed from, and serve as the password once read' END),
    pg_catalog.format('SELECT * FROM pg_catalog.pg_hba_file_rules WHERE line_number = %s', line_number),
    'in pg_hba.conf: scram-sha-256 in place of ' || COALESCE(auth_method, 'that') || ' (or reject), then SELECT pg_catalog.pg_reload_conf()'
FROM pg_catalog.pg_hba_file_rules
WHERE error IS NOT NULL OR auth_method IN ('trust', 'peer', 'ident', 'password', 'md5')
