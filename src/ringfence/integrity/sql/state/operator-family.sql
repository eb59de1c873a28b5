-- Operator families that someone made, and built-in ones that someone added an operator or function to.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(opf.opfname) || ' USING ' || quote_ident(am.amname) AS object,
    jsonb_build_object(
        'owner', quote_ident(pg_get_userbyid(opf.opfowner)),
        'operators', ARRAY(
            SELECT
                (member.amopstrategy || ' ' || member.amopopr::regoperator || ' ' || member.amoppurpose::text)
                    COLLATE "C"
            FROM pg_catalog.pg_amop AS member
            WHERE member.amopfamily = opf.oid AND (member.oid >= 16384 OR opf.oid >= 16384)
            ORDER BY 1
        ),
        'functions', ARRAY(
            SELECT (member.amprocnum || ' ' || member.amproc::oid::regprocedure
                || ' (' || format_type(member.amproclefttype, NULL)
                || ', ' || format_type(member.amprocrighttype, NULL) || ')') COLLATE "C"
            FROM pg_catalog.pg_amproc AS member
            WHERE member.amprocfamily = opf.oid AND (member.oid >= 16384 OR opf.oid >= 16384)
            ORDER BY 1
        ),
        'extension', (
            SELECT quote_ident(ext.extname)
            FROM pg_catalog.pg_depend AS dep
            JOIN pg_catalog.pg_extension AS ext ON ext.oid = dep.refobjid
            WHERE
                dep.classid = 'pg_catalog.pg_opfamily'::regclass
                AND dep.objid = opf.oid
                AND dep.deptype = 'e'
        )
    ) AS attributes
FROM pg_catalog.pg_opfamily AS opf
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = opf.opfnamespace
JOIN pg_catalog.pg_am AS am ON am.oid = opf.opfmethod
WHERE
    (
        opf.oid >= 16384
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_amop AS op WHERE op.amopfamily = opf.oid AND op.oid >= 16384)
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_amproc AS fn WHERE fn.amprocfamily = opf.oid AND fn.oid >= 16384)
    )
    AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
