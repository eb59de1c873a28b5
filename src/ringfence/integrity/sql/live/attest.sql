-- The body of the witness's trigger function: the application's sessions lock a row, others say who they are.
BEGIN
    IF pg_catalog.pg_current_xact_id_if_assigned() IS NULL THEN
        RETURN NULL;  -- the statement wrote nothing
    END IF;
    IF session_user = {app} AND {authenticated} AND {client} THEN
        -- The record of this lock carries the number of the transaction. Nobody but the owner may lock a row here.
        PERFORM 1 FROM ringfence_live.witness AS w
        WHERE w.slot = pg_catalog.pg_backend_pid() % {slots} FOR KEY SHARE;
    ELSIF (
        SELECT pg_catalog.bool_and(pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))
        FROM pg_catalog.pg_proc AS p
        WHERE p.proname = 'pg_logical_emit_message' AND p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
    ) THEN
        -- For the report only: anybody can write such a message.
        PERFORM pg_catalog.pg_logical_emit_message(true, {prefix}, pg_catalog.json_build_object(
            'role', session_user, 'address', pg_catalog.inet_client_addr(),
            'application', pg_catalog.current_setting('application_name'))::pg_catalog.text);
    END IF;
    RETURN NULL;
END
