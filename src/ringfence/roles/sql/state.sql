-- Everything `roles apply` compares with what is declared, as one document. The app is in the setting ringfence.app.
WITH RECURSIVE app AS (
    SELECT r.* FROM pg_catalog.pg_roles r WHERE r.rolname = pg_catalog.current_setting('ringfence.app')
), spaces AS (
    SELECT n.* FROM pg_catalog.pg_namespace n
    WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' AND n.nspname <> pg_catalog.current_setting('ringfence.guard')
), extension_owned AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), relations AS (
    SELECT c.* FROM pg_catalog.pg_class c JOIN spaces n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND NOT EXISTS (SELECT 1 FROM extension_owned e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid)
), entries AS (
    SELECT c.oid, NULL::pg_catalog.text AS col, a.* FROM relations c, pg_catalog.aclexplode(c.relacl) a WHERE a.grantee <> c.relowner
    UNION ALL
    SELECT c.oid, t.attname::pg_catalog.text, a.* FROM relations c
    JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped, pg_catalog.aclexplode(t.attacl) a
    WHERE a.grantee <> c.relowner
-- What belongs to a relation is gathered once for all of them: asked for each, it takes as long as the square of their number.
), acls AS MATERIALIZED (
    SELECT e.oid, pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('grantee', CASE WHEN e.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(e.grantee) END,
        'privilege', e.privilege_type, 'grantable', e.is_grantable, 'grantor', pg_catalog.pg_get_userbyid(e.grantor), 'column', e.col) ORDER BY e.privilege_type, e.col, e.grantee, e.grantor) AS acl
    FROM entries e WHERE e.grantee = 0 OR e.grantee = (SELECT oid FROM app) GROUP BY e.oid
), keys AS MATERIALIZED (
    SELECT k.conrelid AS oid, n AS number FROM pg_catalog.pg_constraint k, pg_catalog.unnest(k.conkey) n WHERE k.contype = 'p'
    UNION SELECT k.confrelid, n FROM pg_catalog.pg_constraint k, pg_catalog.unnest(k.confkey) n WHERE k.contype = 'f'
), handed_out AS MATERIALIZED (
    SELECT DISTINCT d.refobjid AS oid, d.refobjsubid AS number FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.objid
    WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.classid = d.refclassid AND d.deptype IN ('a', 'i')
), bounded AS MATERIALIZED (
    SELECT DISTINCT k.conrelid AS oid, n AS number FROM pg_catalog.pg_constraint k, pg_catalog.unnest(k.conkey) n
    WHERE k.contype = 'c' AND pg_catalog.pg_get_constraintdef(k.oid) ~ 'length|pg_column_size|= ANY|^CHECK \(\(\(?"?[^ ]+ = '
-- As the rule value-size has it.
), sized AS (
    SELECT t.oid, CASE WHEN t.typname IN ('text', 'bytea', 'varchar', 'citext') THEN 'octet_length' ELSE 'pg_column_size' END AS measure, t.typname = 'varchar' AS narrowed, false AS bounded
    FROM pg_catalog.pg_type t
    WHERE t.typtype = 'b' AND (t.typname IN ('text', 'bytea', 'varchar', 'json', 'jsonb', 'xml', 'citext', 'hstore') OR t.typlen = -1 AND t.typelem <> 0 AND t.typcategory = 'A')
    UNION ALL
    SELECT t.oid, s.measure, s.narrowed, s.bounded OR s.narrowed AND t.typtypmod >= 0 OR EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k
        WHERE k.contypid = t.oid AND pg_catalog.pg_get_constraintdef(k.oid) ~ 'length|pg_column_size|= ANY')
    FROM pg_catalog.pg_type t JOIN sized s ON s.oid = t.typbasetype WHERE t.typtype = 'd'
), columns AS MATERIALIZED (
    SELECT t.attrelid AS oid, pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', t.attname, 'number', t.attnum,
        'generated', t.attgenerated <> '', 'identity', t.attidentity <> '' OR h.oid IS NOT NULL, 'key', k.oid IS NOT NULL,
        'measured_by', CASE WHEN b.oid IS NULL AND NOT s.bounded AND NOT (s.narrowed AND t.atttypmod >= 0) THEN s.measure END) ORDER BY t.attnum) AS columns
    FROM pg_catalog.pg_attribute t JOIN relations c ON c.oid = t.attrelid AND c.relkind IN ('r', 'p')
    LEFT JOIN keys k ON k.oid = t.attrelid AND k.number = t.attnum LEFT JOIN handed_out h ON h.oid = t.attrelid AND h.number = t.attnum
    LEFT JOIN bounded b ON b.oid = t.attrelid AND b.number = t.attnum LEFT JOIN sized s ON s.oid = t.atttypid
    WHERE t.attnum > 0 AND NOT t.attisdropped GROUP BY t.attrelid
), guards AS MATERIALIZED (
    SELECT t.tgrelid AS oid, pg_catalog.jsonb_object_agg(t.tgname, pg_catalog.jsonb_build_array(t.tgenabled, pg_catalog.encode(t.tgargs, 'escape'))) AS triggers
    FROM pg_catalog.pg_trigger t WHERE t.tgname = ANY (pg_catalog.current_setting('ringfence.guards')::pg_catalog.text[]) GROUP BY t.tgrelid
)
SELECT pg_catalog.jsonb_build_object(
'role', (SELECT pg_catalog.jsonb_build_object('login', rolcanlogin, 'SUPERUSER', rolsuper, 'CREATEDB', rolcreatedb, 'CREATEROLE', rolcreaterole,
    'REPLICATION', rolreplication, 'BYPASSRLS', rolbypassrls) FROM app),
'memberships', (SELECT COALESCE(pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_object('role', g.rolname, 'grantor', b.rolname, 'admin', m.admin_option)), '[]')
    FROM pg_catalog.pg_auth_members m JOIN app ON app.oid = m.member JOIN pg_catalog.pg_roles g ON g.oid = m.roleid LEFT JOIN pg_catalog.pg_roles b ON b.oid = m.grantor),
'logins', (SELECT COALESCE(pg_catalog.jsonb_agg(rolname ORDER BY rolname), '[]') FROM pg_catalog.pg_roles
    WHERE rolcanlogin AND NOT rolsuper AND rolname <> pg_catalog.current_setting('ringfence.app')),
'databases', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', d.datname, 'acl',
        (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('grantee', CASE WHEN a.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee) END, 'privilege', a.privilege_type)), '[]')
            FROM pg_catalog.aclexplode(COALESCE(d.datacl, pg_catalog.acldefault('d', d.datdba))) a WHERE a.grantee <> d.datdba)) ORDER BY d.datname), '[]')
    FROM pg_catalog.pg_database d WHERE d.datallowconn),
'owned', (SELECT COALESCE(pg_catalog.jsonb_agg(o.said ORDER BY o.said), '[]') FROM (
    SELECT pg_catalog.jsonb_build_object('database', d.datname, 'what', CASE WHEN d.datname = pg_catalog.current_database()
            THEN i.type || ' ' || i.identity ELSE pg_catalog.count(*) || ' objects' END,
        'large_object', CASE WHEN s.classid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass AND d.datname = pg_catalog.current_database() THEN i.identity END) AS said
    FROM pg_catalog.pg_shdepend s JOIN app ON app.oid = s.refobjid
    LEFT JOIN pg_catalog.pg_database d ON d.oid = s.dbid AND d.datallowconn
    LEFT JOIN LATERAL (SELECT * FROM pg_catalog.pg_identify_object(s.classid, s.objid, s.objsubid) WHERE s.dbid = 0 OR d.datname = pg_catalog.current_database()) i ON true
    WHERE s.deptype = 'o' AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND COALESCE(i.schema, '') !~ '^pg_(toast_)?temp'
        -- Neither can be given to another role; what they lead to is for the audit to say.
        AND s.classid NOT IN ('pg_catalog.pg_user_mapping'::pg_catalog.regclass, 'pg_catalog.pg_default_acl'::pg_catalog.regclass)
    GROUP BY d.datname, i.type, i.identity, s.classid) o),
'schemas', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', n.nspname, 'owner', pg_catalog.pg_get_userbyid(n.nspowner),
        'extension', EXISTS (SELECT 1 FROM extension_owned e WHERE e.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND e.objid = n.oid),
        'acl', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('grantee', CASE WHEN a.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee) END,
            'privilege', a.privilege_type, 'grantable', a.is_grantable, 'grantor', pg_catalog.pg_get_userbyid(a.grantor))), '[]')
            FROM pg_catalog.aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner AND (a.grantee = 0 OR a.grantee = (SELECT oid FROM app)))) ORDER BY n.nspname), '[]')
    FROM spaces n),
'relations', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
        'owner', pg_catalog.pg_get_userbyid(c.relowner), 'partition', c.relispartition,
        'acl', COALESCE(a.acl, '[]'), 'columns', COALESCE(t.columns, '[]'), 'triggers', COALESCE(g.triggers, '{}')) ORDER BY n.nspname, c.relname), '[]')
    FROM relations c JOIN spaces n ON n.oid = c.relnamespace LEFT JOIN acls a ON a.oid = c.oid LEFT JOIN columns t ON t.oid = c.oid LEFT JOIN guards g ON g.oid = c.oid),
'creators', (SELECT COALESCE(pg_catalog.jsonb_agg(r.rolname ORDER BY r.rolname), '[]') FROM pg_catalog.pg_roles r
    WHERE r.rolname <> pg_catalog.current_setting('ringfence.app') AND r.rolname !~ '^pg_' AND (
        r.rolname = pg_catalog.current_setting('ringfence.admin')
        OR r.oid IN (SELECT relowner FROM relations) OR r.oid IN (SELECT nspowner FROM spaces)
        OR EXISTS (SELECT 1 FROM spaces n, pg_catalog.aclexplode(n.nspacl) a WHERE a.grantee = r.oid AND a.privilege_type = 'CREATE'))),
'defaults', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('creator', pg_catalog.pg_get_userbyid(d.defaclrole), 'schema', n.nspname, 'kind', d.defaclobjtype,
        'grantee', CASE WHEN a.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee) END, 'privilege', a.privilege_type, 'grantable', a.is_grantable)), '[]')
    FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace, pg_catalog.aclexplode(d.defaclacl) a
    WHERE a.grantee <> d.defaclrole AND (a.grantee = 0 OR a.grantee = (SELECT oid FROM app)) AND d.defaclobjtype IN ('r', 'S', 'n', 'L')),
'settings', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('database', d.datname, 'name', pg_catalog.split_part(c, '=', 1), 'value', pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1))), '[]')
    FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    WHERE s.setrole = (SELECT oid FROM app)),
'public_functions', (SELECT COALESCE(pg_catalog.jsonb_agg(p.oid::pg_catalog.regprocedure::pg_catalog.text ORDER BY p.oid), '[]') FROM pg_catalog.pg_proc p
    WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.proname IN ('pg_logical_emit_message', 'lo_create', 'lo_creat', 'lo_from_bytea')
        AND EXISTS (SELECT 1 FROM pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) a WHERE a.grantee = 0)),
'guard', (SELECT pg_catalog.obj_description(n.oid, 'pg_namespace') FROM pg_catalog.pg_namespace n WHERE n.nspname = pg_catalog.current_setting('ringfence.guard')),
'guard_open', (SELECT pg_catalog.has_schema_privilege(app.oid, n.oid, 'USAGE') FROM app, pg_catalog.pg_namespace n WHERE n.nspname = pg_catalog.current_setting('ringfence.guard'))
)
