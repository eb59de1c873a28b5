-- Large objects the app owns or may write: lo_unlink and lo_truncate ask for no DELETE. Of very many, the first stands for all.
WITH open AS (
    SELECT m.oid, m.lomowner, a.grantee, pg_catalog.count(*) OVER alike AS alike, pg_catalog.row_number() OVER (alike ORDER BY m.oid) AS place
    FROM pg_catalog.pg_largeobject_metadata m
    LEFT JOIN LATERAL pg_catalog.aclexplode(m.lomacl) a ON a.privilege_type = 'UPDATE' AND a.grantee <> m.lomowner
        AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
    WHERE a.grantee IS NOT NULL OR m.lomowner = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[])
    WINDOW alike AS (PARTITION BY a.grantee, CASE WHEN a.grantee IS NULL THEN m.lomowner END)
), shown AS (
    SELECT o.*, CASE WHEN alike > 20 THEN ' and ' || alike - 1 || ' more' ELSE '' END AS more,
        CASE WHEN o.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(o.grantee)) END AS who
    FROM open o WHERE alike <= 20 OR place = 1
)
SELECT CASE WHEN grantee IS NULL THEN 'high' ELSE 'critical' END,
    'large object ' || oid || more,
    CASE WHEN grantee IS NULL THEN 'the app owns it: lo_unlink removes it, and no row count of a table changes'
        ELSE 'the app may write it: lo_truncate empties it, and no row count of a table changes' END,
    pg_catalog.format('SELECT lomowner::pg_catalog.regrole, lomacl FROM pg_catalog.pg_largeobject_metadata WHERE oid = %s', oid),
    CASE WHEN grantee IS NULL AND more <> '' THEN pg_catalog.format('REASSIGN OWNED BY %I TO %I', pg_catalog.pg_get_userbyid(lomowner), pg_catalog.current_setting('ringfence.admin'))
        WHEN grantee IS NULL
        THEN pg_catalog.format('ALTER LARGE OBJECT %s OWNER TO %I; GRANT SELECT ON LARGE OBJECT %s TO %I', oid, pg_catalog.current_setting('ringfence.admin'), oid, pg_catalog.current_setting('ringfence.app'))
        WHEN more <> '' THEN pg_catalog.format('DO $do$ DECLARE o record; BEGIN FOR o IN SELECT oid FROM pg_catalog.pg_largeobject_metadata LOOP EXECUTE pg_catalog.format(''REVOKE UPDATE ON LARGE OBJECT %%s FROM %s'', o.oid); END LOOP; END $do$', who)
        ELSE pg_catalog.format('REVOKE UPDATE ON LARGE OBJECT %s FROM %s', oid, who) END
FROM shown
