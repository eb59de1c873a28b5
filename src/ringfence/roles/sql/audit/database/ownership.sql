-- Whatever the app role owns in this database: the owner drops, alters, disables triggers, and gives itself every right.
WITH owned AS (
    SELECT s.classid, s.objid, s.refobjid, i.type, i.schema, i.identity
    FROM pg_catalog.pg_shdepend s
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(s.classid, s.objid, s.objsubid) i
    WHERE s.deptype = 'o' AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
        AND s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND s.refobjid = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
        -- The schema public is pg_database_owner's by design; who owns the database is said as such.
        AND s.refobjid <> COALESCE(pg_catalog.to_regrole('pg_database_owner')::pg_catalog.oid, 0)
        AND s.classid <> 'pg_catalog.pg_largeobject'::pg_catalog.regclass
        -- A user mapping is said as such; default privileges of the app are about what it makes itself.
        AND s.classid NOT IN ('pg_catalog.pg_user_mapping'::pg_catalog.regclass, 'pg_catalog.pg_default_acl'::pg_catalog.regclass)
        AND COALESCE(i.schema, '') !~ '^pg_(toast_)?temp'
)
SELECT CASE WHEN o.type ~ 'table|view|schema|function|procedure|routine|aggregate|extension|event trigger|subscription|sequence|type|collation|operator|language|text search'
        THEN 'critical' ELSE 'medium' END,
    o.type || ' ' || o.identity,
    pg_catalog.format('%s owns it%s: it can drop or alter it, switch its triggers off and give itself any right on it, whatever was revoked%s',
        pg_catalog.current_setting('ringfence.app'),
        CASE WHEN r.rolname = pg_catalog.current_setting('ringfence.app') THEN '' ELSE ' through ' || r.rolname END,
        CASE WHEN o.type = 'schema' THEN '; the owner of a schema can drop everybody''s tables in it'
             WHEN o.type IN ('function', 'procedure') THEN '; whoever calls or triggers it runs what the app wrote'
             WHEN o.type ~ 'type|collation|operator|language|text search' THEN '; DROP … CASCADE takes the columns, indexes and views of others that need it along' ELSE '' END),
    pg_catalog.format('SELECT pg_catalog.pg_get_userbyid(refobjid) FROM pg_catalog.pg_shdepend WHERE deptype = ''o'' AND classid = %s AND objid = %s AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())', o.classid::pg_catalog.oid, o.objid),
    CASE WHEN o.type = 'extension' THEN pg_catalog.format('REASSIGN OWNED BY %I TO %I', r.rolname, pg_catalog.current_setting('ringfence.admin'))
        ELSE pg_catalog.format('ALTER %s %s OWNER TO %I', CASE o.type WHEN 'statistics object' THEN 'STATISTICS' WHEN 'composite type' THEN 'TYPE'
            WHEN 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER' ELSE pg_catalog.upper(o.type) END, o.identity, pg_catalog.current_setting('ringfence.admin')) END
FROM owned o JOIN pg_catalog.pg_roles r ON r.oid = o.refobjid
WHERE NOT EXISTS (
        SELECT 1 FROM pg_catalog.pg_class c
        WHERE o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = o.objid AND (
            c.relkind = 'S' AND EXISTS (
                SELECT 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND t.relowner = c.relowner
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i'))))
