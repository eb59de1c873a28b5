-- Whether a role is missing that this session's role may make.
SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS r WHERE r.rolname = %(role)s)
   AND EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user AND (r.rolsuper OR r.rolcreaterole))
