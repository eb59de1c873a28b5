-- Settings of the server that take protection away from everybody.
SELECT v.severity, v.name || ' = ' || s.setting, v.what,
    pg_catalog.format('SHOW %s', v.name), pg_catalog.format('ALTER SYSTEM RESET %s', v.name)
FROM (VALUES
    ('critical', 'lo_compat_privileges', 'on', 'large objects have no owner and no rights: any role can unlink or overwrite any of them'),
    ('critical', 'allow_system_table_mods', 'on', 'catalogs can be changed by hand'),
    ('critical', 'session_replication_role', 'replica', 'triggers and foreign keys are off in every session'),
    ('critical', 'session_replication_role', 'local', 'the server runs sessions with a replication role of their own'),
    ('low', 'password_encryption', 'md5', 'new passwords are kept as md5, which can be used in place of the password')
) v(severity, name, bad, what)
JOIN pg_catalog.pg_settings s ON s.name = v.name AND s.setting = v.bad
-- What a database or a role has is said as such.
WHERE s.source NOT IN ('session', 'default', 'database', 'user', 'database user', 'global')
