-- Which role is a member of which. From 16 on there may be several grants of the same membership.
SELECT
    quote_ident(pg_get_userbyid(mem.member)) || ' in ' || quote_ident(pg_get_userbyid(mem.roleid))
        || ' by ' || quote_ident(pg_get_userbyid(mem.grantor)) AS object,
    to_jsonb(mem) - '{oid,roleid,member,grantor}'::text[] AS attributes
FROM pg_catalog.pg_auth_members AS mem
