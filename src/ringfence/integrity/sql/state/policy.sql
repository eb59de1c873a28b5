-- Row security policies.
SELECT
    quote_ident(nsp.nspname) || '.' || quote_ident(rel.relname) || '.' || quote_ident(pol.polname) AS object,
    to_jsonb(pol) - '{oid,polname,polrelid,polroles,polqual,polwithcheck}'::text[]
    || jsonb_build_object(
        'roles', ARRAY(
            SELECT
                (CASE WHEN member.oid = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(member.oid)) END) COLLATE "C"
            FROM unnest(pol.polroles) AS member (oid)
            ORDER BY 1
        ),
        'using', pg_get_expr(pol.polqual, pol.polrelid),
        'check', pg_get_expr(pol.polwithcheck, pol.polrelid)
    ) AS attributes
FROM pg_catalog.pg_policy AS pol
JOIN pg_catalog.pg_class AS rel ON rel.oid = pol.polrelid
JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = rel.relnamespace
WHERE pol.oid >= 16384 AND nsp.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
