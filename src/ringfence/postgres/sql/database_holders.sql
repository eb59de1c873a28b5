-- Who holds rights on a database (empty for PUBLIC) besides its owner, and which roles have settings for it.
SELECT 'right' AS kind, CASE WHEN a.grantee = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text END AS role
FROM pg_catalog.pg_database AS d,
     pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS a
WHERE d.datname = %(database)s
  AND a.grantee <> d.datdba
UNION
SELECT 'setting', pg_catalog.pg_get_userbyid(s.setrole)::pg_catalog.text
FROM pg_catalog.pg_db_role_setting AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
WHERE d.datname = %(database)s
  AND s.setrole <> 0
ORDER BY 1, 2
