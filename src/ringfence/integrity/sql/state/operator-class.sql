-- Operator classes that someone made.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(opc.opcname) || ' USING ' || quote_ident(am.amname) AS object,
    jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(opc.opcowner)),
        'family', quote_ident(nopf.nspname) || '.' || quote_ident(opf.opfname),
        'type', format_type(opc.opcintype, NULL),
        'key_type', CASE WHEN opc.opckeytype <> 0 THEN format_type(opc.opckeytype, NULL) END,
        'default', opc.opcdefault,
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_opclass'::regclass
                AND dep.objid = opc.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_opclass AS opc
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = opc.opcnamespace
JOIN pg_catalog.pg_am AS am ON am.oid = opc.opcmethod
JOIN pg_catalog.pg_opfamily AS opf ON opf.oid = opc.opcfamily
JOIN pg_catalog.pg_namespace AS nopf ON nopf.oid = opf.opfnamespace
WHERE opc.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
