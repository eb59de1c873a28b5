-- Roles, the predefined ones too. Of a password only a keyed digest of its verifier: no verifier may stand in a
-- manifest.
SELECT
    quote_ident(rol.rolname) AS object,
    to_jsonb(rol) - '{oid,rolname,rolpassword}'::text[]
    || jsonb_build_object(
        'password', left(encode(sha256(textsend(%(seed)s::int8::text || ':' || rol.rolpassword)), 'hex'), 32),
        'password_type', CASE
            WHEN starts_with(rol.rolpassword, 'SCRAM-SHA-256$') THEN 'scram-sha-256'
            WHEN rol.rolpassword IS NOT NULL THEN 'md5'
        END
    ) AS attributes
FROM pg_catalog.pg_authid AS rol
