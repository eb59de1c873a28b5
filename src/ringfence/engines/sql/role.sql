-- Whether a role is there and a superuser: one row with t or f, or none. Run by psql, which fills in :'role'.
SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = :'role';
