-- Superusers besides the administrator and the role the cluster was made with.
SELECT CASE WHEN rolcanlogin THEN 'critical' ELSE 'medium' END,
    pg_catalog.quote_ident(rolname),
    rolname || ' is a superuser of the cluster that holds production: no right of a database, no pg_hba line and no policy keeps it out',
    pg_catalog.format('SELECT rolsuper, rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = %L', rolname),
    pg_catalog.format('ALTER ROLE %I NOSUPERUSER', rolname)
FROM pg_catalog.pg_roles
WHERE rolsuper AND oid <> 10 AND rolname <> pg_catalog.current_setting('ringfence.admin')
    AND rolname <> ALL (pg_catalog.current_setting('ringfence.superusers')::pg_catalog.text[])
    AND NOT oid = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
