"""Sessions of live servers: where they lead, what they may do, what holds whatever a role or database was set to."""

from __future__ import annotations

import dataclasses
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ringfence.postgres.connection import (
    PINNED_SETTINGS,
    ConnectError,
    QueryError,
    connect,
    error_text,
    one_value,
)
from ringfence.postgres.identity import read_identity
from ringfence.postgres.target import PassEntry, Target, add_passwords

pytestmark = pytest.mark.postgres

READ_ONLY = "25006"


def run(target: Target, *statements: str) -> None:
    with psycopg.connect(target.conninfo(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def with_role(target: Target, *attributes: str) -> Target:
    """The same database as seen by a new role with a password of its own."""
    name, password = f"role_{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    run(target, f"CREATE ROLE {name} LOGIN PASSWORD '{password}' {' '.join(attributes)}")
    add_passwords(target.passfile, [PassEntry(host=target.host, port=target.port, user=name, password=password)])
    return dataclasses.replace(target, user=name)


@pytest.fixture
def role(database: Target) -> Iterator[Target]:
    """The test's database as an ordinary role sees it."""
    target = with_role(database)
    yield target
    run(database, f"DROP OWNED BY {target.user}", f"DROP ROLE {target.user}")


@pytest.fixture
def superuser(database: Target) -> Iterator[Target]:
    target = with_role(database, "SUPERUSER")
    yield target
    run(database, f"DROP ROLE {target.user}")


@pytest.fixture
def clean_environment() -> Iterator[None]:
    before = {n: v for n, v in os.environ.items() if n.startswith("PG")}
    yield
    for name in [n for n in os.environ if n.startswith("PG")]:
        del os.environ[name]
    os.environ.update(before)


# --- where it leads ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clean_environment")
def test_nothing_in_the_environment_leads_a_session_elsewhere(database: Target, tmp_path: Path) -> None:
    with connect(database) as connection:
        expected = read_identity(connection)
        port = expected and connection.info.port
    service = tmp_path / "services"
    service.write_text("[elsewhere]\nhost=192.0.2.1\nport=1\ndbname=postgres\n")
    os.environ |= {
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGDATABASE": "postgres",
        "PGUSER": "nobody",
        "PGPASSWORD": "wrong",
        "PGPASSFILE": "/nonexistent",
        "PGSERVICE": "elsewhere",
        "PGSERVICEFILE": str(service),
        "PGSYSCONFDIR": str(tmp_path),
        "PGOPTIONS": "-c search_path=evil -c default_transaction_read_only=off -c TimeZone=Asia/Kolkata",
        "PGSSLMODE": "require",
        "PGREQUIREAUTH": "none",
        "PGCHANNELBINDING": "require",
        "PGTARGETSESSIONATTRS": "standby",
        "PGCLIENTENCODING": "LATIN1",
        "PGAPPNAME": "elsewhere",
        "PGTZ": "Asia/Kolkata",
        "PGDATESTYLE": "German",
        "PGCONNECT_TIMEOUT": "1",
    }
    with connect(database) as connection:
        assert read_identity(connection) == expected
        assert connection.info.port == port and connection.info.host == database.host
        assert connection.info.user == database.user
        assert connection.info.encoding == "utf-8"
        for name in ("TimeZone", "DateStyle", "search_path"):
            shown = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            assert shown == (PINNED_SETTINGS[name],)


def test_a_session_says_what_it_is_and_ends_with_its_block(database: Target) -> None:
    target = dataclasses.replace(database, application="ringfence test")
    with connect(target) as connection:
        pid = connection.info.backend_pid
        assert one_value(connection, sql.SQL("SELECT current_setting('application_name')")) == "ringfence test"
    with pytest.raises(ValueError, match="inside"), connect(target) as connection:
        raise ValueError("inside")
    assert connection.closed
    with connect(database) as other:
        for _ in range(50):
            query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s OR application_name = %s"
            if other.execute(query, (pid, "ringfence test")).fetchone() is None:
                break
            other.execute("SELECT pg_sleep(0.05)")
        else:
            raise AssertionError("the session is still there")


# --- what it may do ---------------------------------------------------------------------------------------------------


WRITES = [
    "INSERT INTO public.t VALUES (2)",
    "UPDATE public.t SET a = 2",
    "DELETE FROM public.t",
    "TRUNCATE public.t",
    "SELECT * FROM public.t FOR UPDATE",
    "SELECT nextval('public.s')",
    "SELECT setval('public.s', 9)",
    "SELECT public.f()",
    "SELECT a FROM public.v",
    "DO 'BEGIN DELETE FROM public.t; END'",
    "EXPLAIN ANALYZE DELETE FROM public.t",
    "WITH gone AS (DELETE FROM public.t RETURNING a) SELECT * FROM gone",
    "CREATE TABLE public.u (a int)",
    "DROP TABLE public.t",
    "ALTER TABLE public.t ADD b int",
    "CREATE ROLE somebody",
    "COMMENT ON TABLE public.t IS 'x'",
    "GRANT DELETE ON public.t TO PUBLIC",
    "REFRESH MATERIALIZED VIEW public.m",
    "CREATE DATABASE x",
    "DROP DATABASE x",
    "ALTER DATABASE postgres SET work_mem = '1MB'",
]


def test_a_reading_session_does_not_write(database: Target, server: Any) -> None:
    run(
        database,
        "CREATE TABLE public.t (a int)",
        "INSERT INTO public.t VALUES (1)",
        "CREATE SEQUENCE public.s",
        "CREATE MATERIALIZED VIEW public.m AS SELECT a FROM public.t",
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM public.t RETURNING a'",
        "CREATE VIEW public.v AS SELECT public.f() AS a",
    )
    for statement in [*WRITES, *(["SELECT lo_create(0)"] if server.major >= 16 else [])]:
        with pytest.raises(QueryError) as caught, connect(database) as connection:
            connection.execute(statement.encode())
        assert isinstance(caught.value.__cause__, psycopg.Error)
        assert caught.value.__cause__.sqlstate == READ_ONLY, statement
    with psycopg.connect(database.conninfo()) as connection:
        query = "SELECT count(*), (SELECT last_value FROM public.s) FROM public.t"
        assert connection.execute(query).fetchone() == (1, 1)


def test_a_statement_inside_a_reading_session_cannot_make_it_a_writing_one(database: Target) -> None:
    run(database, "CREATE TABLE public.t (a int)")
    with pytest.raises(QueryError, match="read-write mode"), connect(database) as connection:
        connection.execute("SELECT set_config('transaction_read_only', 'off', true)")
    with pytest.raises(QueryError, match="read-only"), connect(database, autocommit=False) as connection:
        connection.execute("SELECT 1")
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("INSERT INTO public.t VALUES (1)")


def test_a_writing_session_writes_even_where_the_default_is_reading(database: Target) -> None:
    name = sql.Identifier(database.database).as_string(None)
    run(database, "CREATE TABLE public.t (a int)", f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with connect(database, read_only=False) as connection:
        connection.execute("INSERT INTO public.t VALUES (1)")
    with connect(database, read_only=False, autocommit=False) as connection:
        connection.execute("INSERT INTO public.t VALUES (2)")
    with connect(database) as connection:
        assert one_value(connection, sql.SQL("SELECT sum(a) FROM public.t")) == 3


def test_what_was_not_committed_is_rolled_back_by_an_error(database: Target) -> None:
    run(database, "CREATE TABLE public.t (a int)")
    with pytest.raises(ZeroDivisionError), connect(database, read_only=False, autocommit=False) as connection:
        connection.execute("INSERT INTO public.t VALUES (1)")
        raise ZeroDivisionError
    with connect(database) as connection:
        assert one_value(connection, sql.SQL("SELECT count(*) FROM public.t")) == 0


# --- settings ---------------------------------------------------------------------------------------------------------

HOSTILE = {
    "TimeZone": "Asia/Kolkata",
    "DateStyle": "German, DMY",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "lc_monetary": "C.UTF-8",
    "xmloption": "document",
    "lc_messages": "C.UTF-8",
    "search_path": "evil, public",
    "row_security": "on",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "statement_timeout": "1min",
    "client_min_messages": "debug5",
    "default_transaction_isolation": "serializable",
    "jit": "on",
    "idle_session_timeout": "1s",
    "default_transaction_read_only": "off",
}


def test_pinned_settings_hold_whatever_a_role_or_database_was_set_to(superuser: Target, database: Target) -> None:
    name = sql.Identifier(database.database).as_string(None)
    pinned = PINNED_SETTINGS | {"default_transaction_read_only": "on"}
    assert HOSTILE.keys() == pinned.keys(), "every pinned setting is attacked"
    lists = ("search_path", "DateStyle")
    for whom in (f"DATABASE {name}", f"ROLE {superuser.user}", f"ROLE {superuser.user} IN DATABASE {name}"):
        run(database, *(f"ALTER {whom} SET {n} = {v if n in lists else repr(v)}" for n, v in HOSTILE.items()))
        with psycopg.connect(superuser.conninfo(), autocommit=True) as connection:
            assert connection.execute("SHOW bytea_output").fetchone() == ("escape",), "the attack itself does not work"
        with connect(superuser) as connection:
            found = {n: one_value(connection, sql.SQL("SELECT current_setting(%s)"), (n,)) for n in pinned}
        assert found == pinned
        run(database, f"ALTER {whom} RESET ALL")


def test_an_idle_session_is_not_ended_by_a_setting_of_the_database(superuser: Target, database: Target) -> None:
    """The lock that keeps a second run away is held by a session that is idle for as long as the agents work."""
    run(database, f"ALTER ROLE {superuser.user} SET idle_session_timeout = '200ms'")
    with connect(superuser) as connection:
        with connect(database) as other:
            other.execute("SELECT pg_sleep(0.6)")
        assert one_value(connection, sql.SQL("SELECT 1")) == 1


def test_nothing_on_the_search_path_stands_in_for_a_function(superuser: Target, database: Target) -> None:
    """F71: a function of the database's owner in front of PostgreSQL's own."""
    name = sql.Identifier(database.database).as_string(None)
    run(
        database,
        "CREATE FUNCTION public.current_database() RETURNS name LANGUAGE sql AS $$SELECT 'forged'::name$$",
        f"ALTER DATABASE {name} SET search_path = public, pg_catalog",
    )
    with connect(database) as connection:
        assert read_identity(connection).database == database.database
        assert connection.execute("SELECT current_database()").fetchone() == (database.database,)


def test_an_ordinary_role_can_connect(role: Target) -> None:
    """Not every setting may be set by everybody; what only changes messages must not keep a role out."""
    with connect(role) as connection:
        assert one_value(connection, sql.SQL("SELECT current_setting('row_security')")) == "off"
        assert one_value(connection, sql.SQL("SELECT current_user")) == role.user


def test_rows_that_a_policy_hides_are_an_error(role: Target, database: Target) -> None:
    """F60."""
    run(
        database,
        "CREATE TABLE public.t (a int)",
        "INSERT INTO public.t SELECT generate_series(1, 10)",
        "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON public.t USING (a < 3)",
        f"GRANT SELECT ON public.t TO {role.user}",
    )
    with psycopg.connect(role.conninfo()) as plain:
        assert plain.execute("SELECT count(*) FROM public.t").fetchone() == (2,)
    with pytest.raises(QueryError, match="row-level security"), connect(role) as connection:
        connection.execute("SELECT count(*) FROM public.t")


# --- errors -----------------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there(database: Target) -> None:
    nowhere = Target(host="127.0.0.1", port=1, database="x", user="u", passfile=database.passfile)
    words = r"^cannot connect to 127\.0\.0\.1:1/x as u: "
    with pytest.raises(ConnectError, match=words) as caught, connect(nowhere):
        pass
    assert caught.value.exit_code == 2 and "ringfence up" in str(caught.value.hint)
    assert "\n" not in caught.value.message


def test_a_wrong_password_is_not_shown(database: Target, tmp_path: Path) -> None:
    passfile = tmp_path / "private" / "pgpass"
    entry = PassEntry(host=database.host, port=database.port, user=database.user, password="wrong-secret-word")
    add_passwords(passfile, [entry])
    target = dataclasses.replace(database, passfile=passfile)
    with pytest.raises(ConnectError, match="password authentication failed") as caught, connect(target):
        pass
    assert "pgpass" in str(caught.value.hint)
    assert "wrong-secret-word" not in f"{caught.value.message}{caught.value.hint}"


def test_no_password_at_all(database: Target, tmp_path: Path) -> None:
    target = dataclasses.replace(database, passfile=tmp_path / "gone")
    with pytest.raises(ConnectError, match="no password supplied") as caught, connect(target):
        pass
    assert "pgpass" in str(caught.value.hint)


def test_a_database_that_is_not_there(database: Target) -> None:
    with pytest.raises(ConnectError, match='database "no such" does not exist'), connect(database.on("no such")):
        pass


def test_a_refused_statement_says_where_and_what(database: Target) -> None:
    words = rf'^{database.host}:\d+/\w+ as \w+: relation "public.gone" does not exist$'
    with pytest.raises(QueryError, match=words), connect(database) as connection:
        connection.execute("SELECT * FROM public.gone")


def test_an_error_is_one_line_with_its_detail(database: Target) -> None:
    run(database, "CREATE TABLE public.t (a int PRIMARY KEY)", "INSERT INTO public.t VALUES (1)")
    with psycopg.connect(database.conninfo()) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("INSERT INTO public.t VALUES (1)")
        connection.rollback()
    assert error_text(caught.value) == (
        'duplicate key value violates unique constraint "t_pkey" (Key (a)=(1) already exists.)'
    )


def test_one_value_is_one_value(database: Target) -> None:
    for query in ("SELECT 1 WHERE false", "SELECT 1, 2", "SELECT generate_series(1, 2)"):
        with pytest.raises(QueryError, match="expected one value"), connect(database) as connection:
            one_value(connection, sql.SQL(query))  # type: ignore[arg-type]
