-- Rewrite rules. The one that makes a view a view is its definition, so it appears only when it is switched off.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(rel.relname) || '.' || quote_ident(rul.rulename) AS object,
    to_jsonb(rul) - '{oid,rulename,ev_class,ev_qual,ev_action}'::text[]
    || jsonb_build_object('definition', pg_get_ruledef(rul.oid)) AS attributes
FROM pg_catalog.pg_rewrite AS rul
JOIN pg_catalog.pg_class AS rel ON rel.oid = rul.ev_class
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = rel.relnamespace
WHERE
    rul.oid >= 16384
    AND (rul.rulename <> '_RETURN' OR rul.ev_enabled <> 'O')
    AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
