-- Settings the server runs with that came from its configuration files or its command line. Those that this session
-- pins are covered by cluster-file-setting. Values that may hold a secret as a keyed digest.
SELECT
    stg.name AS object,
    jsonb_build_object(
        'value', CASE
            WHEN stg.name ~ '(conninfo|_command|secret|token|credential)'
                THEN left(encode(sha256(textsend(%(seed)s::int8::text || ':' || stg.setting)), 'hex'), 32)
            ELSE stg.setting
        END,
        'unit', stg.unit,
        'source', stg.source
    ) AS attributes
FROM pg_catalog.pg_settings AS stg
WHERE stg.source IN ('configuration file', 'command line', 'environment variable', 'global')
