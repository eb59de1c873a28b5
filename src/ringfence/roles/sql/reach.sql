-- Every role whose rights the app role has or can take on (SET ROLE, admin option), through any chain of memberships,
-- whatever INHERIT and SET say; the app role itself, and pg_database_owner where one of them owns this database.
WITH RECURSIVE chain AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = pg_catalog.current_setting('ringfence.app')
    UNION
    SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN chain c ON c.oid = m.member
), owner AS (
    SELECT r.oid FROM pg_catalog.pg_roles r
    WHERE r.rolname = 'pg_database_owner' AND EXISTS (
        SELECT 1 FROM pg_catalog.pg_database d JOIN chain c ON c.oid = d.datdba
        WHERE d.datname = pg_catalog.current_database())
)
SELECT pg_catalog.array_agg(oid ORDER BY oid)::pg_catalog.text FROM (SELECT oid FROM chain UNION SELECT oid FROM owner) both_of_them
