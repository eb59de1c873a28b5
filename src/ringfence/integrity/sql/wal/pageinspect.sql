-- The functions of the extension pageinspect in this database: only those that are written in C and belong to its
-- library, whatever else somebody gave their names.
SELECT p.proname::pg_catalog.text, n.nspname::pg_catalog.text
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
    AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'
JOIN pg_catalog.pg_proc AS p ON p.oid = d.objid
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE e.extname = 'pageinspect' AND l.lanname = 'c' AND p.probin = '$libdir/pageinspect'
  AND (p.proname = 'page_header' AND p.pronargs = 1
       OR p.proname = 'get_raw_page' AND p.pronargs = 3
          AND p.proargtypes[2] = 'pg_catalog.int8'::pg_catalog.regtype)
  AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
