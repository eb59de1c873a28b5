-- What the configuration files say now, applied or not: ALTER SYSTEM takes effect with a later reload or restart. The
-- last line that names a setting counts. That a value waits for a restart is no error.
SELECT DISTINCT ON (stg.name)
    coalesce(stg.name, 'unreadable line') AS object,
    jsonb_build_object(
        'value', CASE
            WHEN stg.name ~ '(conninfo|_command|secret|token|credential)'
                THEN left(encode(sha256(textsend(%(seed)s::int8::text || ':' || stg.setting)), 'hex'), 32)
            ELSE stg.setting
        END,
        'error', nullif(stg.error, 'setting could not be applied')
    ) AS attributes
FROM pg_catalog.pg_file_settings AS stg
ORDER BY stg.name, stg.seqno DESC
