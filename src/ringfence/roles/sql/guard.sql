-- The guard: what the app overwrites is kept, how much one statement may touch is bounded, deleting is refused.
CREATE SCHEMA IF NOT EXISTS guard;
REVOKE ALL ON SCHEMA guard FROM PUBLIC;
CREATE TABLE IF NOT EXISTS guard.statement (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    role text NOT NULL DEFAULT session_user,
    application text DEFAULT pg_catalog.current_setting('application_name'),
    client inet DEFAULT pg_catalog.inet_client_addr(),
    transaction xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    table_schema text NOT NULL,
    table_name text NOT NULL,
    row_count bigint NOT NULL,
    query text DEFAULT pg_catalog.left(pg_catalog.current_query(), 2000)
);
CREATE TABLE IF NOT EXISTS guard.history (
    statement bigint NOT NULL,
    old jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS history_statement ON guard.history (statement);
REVOKE ALL ON ALL TABLES IN SCHEMA guard FROM PUBLIC;
-- The settings are pinned because a session could choose others, in which values lose digits as text.
CREATE OR REPLACE FUNCTION guard.keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO, YMD'
    SET "IntervalStyle" = 'postgres' SET bytea_output = 'hex' SET xmloption = 'content' SET lc_monetary = 'C'
AS $guard$
<<this>>
DECLARE
    touched pg_catalog.int8;
    statement_id pg_catalog.int8;
BEGIN
    SELECT pg_catalog.count(*) INTO touched FROM old_rows;
    IF touched = 0 OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user) THEN
        RETURN NULL;
    END IF;
    IF TG_ARGV[1] <> '' AND session_user = TG_ARGV[0] AND touched > TG_ARGV[1]::pg_catalog.int8 THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = pg_catalog.format('%s rows of %I.%I in one statement; %s may be updated', touched, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[1]),
            HINT = 'the limit is max_rows in [roles] of ringfence.toml';
    END IF;
    INSERT INTO guard.statement (table_schema, table_name, row_count)
        VALUES (TG_TABLE_SCHEMA, TG_TABLE_NAME, touched) RETURNING id INTO statement_id;
    -- Qualified, because a table may have columns of these names: o alone would be the column o, and not the row.
    INSERT INTO guard.history (statement, old) SELECT this.statement_id, pg_catalog.to_jsonb(o.*) FROM old_rows o;
    RETURN NULL;
END
$guard$;
CREATE OR REPLACE FUNCTION guard.bound() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $guard$
DECLARE
    touched pg_catalog.int8;
BEGIN
    IF session_user <> TG_ARGV[0] THEN
        RETURN NULL;
    END IF;
    SELECT pg_catalog.count(*) INTO touched FROM new_rows;
    IF touched > TG_ARGV[1]::pg_catalog.int8 THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = pg_catalog.format('%s rows into %I.%I in one statement; %s may be inserted', touched, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[1]),
            HINT = 'the limit is max_rows in [roles] of ringfence.toml';
    END IF;
    RETURN NULL;
END
$guard$;
CREATE OR REPLACE FUNCTION guard.refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    IF session_user = TG_ARGV[0] THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = pg_catalog.format('a session of %s may not %s %I.%I, whatever function, rule or cascade does it', session_user, TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END
$guard$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA guard FROM PUBLIC
