-- Who may connect from where, as the file says now. One object with its rules in order, without line numbers, so that
-- a comment in the file is no change; passwords and secrets among the options as a keyed digest.
SELECT
    'pg_hba.conf' AS object,
    jsonb_build_object('rules', jsonb_agg(
        concat_ws(
            ' ', rul.type, array_to_string(rul.database, ','), array_to_string(rul.user_name, ','), rul.address,
            rul.netmask, rul.auth_method, nullif(array_to_string(ARRAY(
                SELECT CASE
                    WHEN opt ~* 'passw|secret'
                        THEN split_part(opt, '=', 1) || ' (digest '
                            || left(encode(sha256(textsend(%(seed)s::int8::text || ':' || opt)), 'hex'), 32) || ')'
                    ELSE opt
                END
                FROM unnest(rul.options) AS opt
            ), ' '), ''), 'error: ' || rul.error
        )
        ORDER BY rul.ordinality
    )) AS attributes
FROM pg_hba_file_rules() WITH ORDINALITY AS rul
HAVING count(*) > 0
