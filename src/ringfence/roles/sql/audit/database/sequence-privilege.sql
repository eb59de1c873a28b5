-- UPDATE on a sequence is setval: ids are handed out again, or never more.
SELECT DISTINCT 'high', pg_catalog.format('sequence %s: UPDATE to %s', c.oid::pg_catalog.regclass, k.who),
    'the app can set it back: the next insert fails on a key that is taken, or forward to its end: no insert succeeds any more; no row changes and no rollback undoes it',
    pg_catalog.format('SELECT pg_catalog.has_sequence_privilege(%L, %L, ''UPDATE'')', pg_catalog.current_setting('ringfence.app'), c.oid::pg_catalog.regclass),
    pg_catalog.format('REVOKE UPDATE ON SEQUENCE %s FROM %s', c.oid::pg_catalog.regclass, k.who)
FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
CROSS JOIN LATERAL (SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS who) k
WHERE c.relkind = 'S' AND a.privilege_type = 'UPDATE' AND a.grantee <> c.relowner
    AND (a.grantee = 0 OR a.grantee = ANY (pg_catalog.current_setting('ringfence.reach')::pg_catalog.oid[]))
