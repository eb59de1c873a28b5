"""The app role of a new production, as `up` makes it: what it may do, tried with its own password on every major."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ringfence.postgres.connection import connect
from ringfence.postgres.target import PassEntry, Target, add_passwords, find_password
from ringfence.roles.apply import ApplyError
from ringfence.roles.apply import provision as provision_role
from ringfence.roles.model import Passwords, Policy

pytestmark = pytest.mark.postgres


@dataclasses.dataclass(frozen=True, kw_only=True)
class AppRole:
    """The role of a test, and where its password is kept."""

    name: str
    admin: str
    host: str
    port: int
    passfile: Path


DENIED = psycopg.errors.InsufficientPrivilege


@pytest.fixture(params=["plain", "odd\"; name'-%s:\\"])
def role(request: pytest.FixtureRequest, database: Target, tmp_path: Path) -> Iterator[AppRole]:
    name = f"app_{secrets.token_hex(4)}_{request.param}"
    yield AppRole(
        name=name,
        admin=database.user,
        host=database.host,
        port=database.port,
        passfile=tmp_path / "config" / "pgpass",
    )
    with psycopg.connect(database.conninfo(), autocommit=True) as connection:
        identifier = sql.Identifier(name)
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone():
            for other in (
                "postgres",
                "template1",
            ):  # closed to everybody who is not named; other tests expect them open
                connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO PUBLIC").format(sql.Identifier(other)))
            connection.execute(sql.SQL("DROP OWNED BY {}").format(identifier))
            connection.execute(sql.SQL("DROP ROLE {}").format(identifier))


def provision(database: Target, role: AppRole) -> bool:
    policy = Policy(database=database.database, app=role.name, admin=role.admin)
    passwords = Passwords(passfile=role.passfile, host=role.host, port=role.port)
    return bool(provision_role(policy, passwords, lambda d: connect(database.on(d), read_only=False)).statements)


def run(target: Target, *statements: str) -> None:
    with psycopg.connect(target.conninfo(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def as_app(database: Target, role: AppRole) -> Target:
    return dataclasses.replace(database, user=role.name, passfile=role.passfile)


TABLES = (
    "CREATE TABLE public.{t} (id serial PRIMARY KEY, words text)",
    "INSERT INTO public.{t} (words) VALUES ('one')",
)


def made(database: Target, name: str) -> None:
    run(database, *(statement.format(t=name) for statement in TABLES))


def test_what_the_app_may_and_may_not_do(database: Target, role: AppRole) -> None:
    made(database, "before")
    assert provision(database, role)
    made(database, "after")
    run(database, "CREATE SCHEMA later", "CREATE TABLE later.t (a int)")
    app = as_app(database, role)
    for table in ("public.before", "public.after"):
        run(
            app,
            f"SELECT * FROM {table}",
            f"INSERT INTO {table} (words) VALUES ('two')",
            f"UPDATE {table} SET words = 'three'",
        )
        for statement in (
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"DROP TABLE {table}",
            f"ALTER TABLE {table} ADD b int",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            f"CREATE TRIGGER x BEFORE INSERT ON {table} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            f"CREATE INDEX ON {table} (words)",
            f"SELECT setval('{table}_id_seq', 1)",
        ):
            with pytest.raises(DENIED):
                run(app, statement)
    run(app, "GRANT DELETE ON public.after TO PUBLIC")  # PostgreSQL only warns that nothing was granted
    with pytest.raises(DENIED):
        run(app, "DELETE FROM public.after")
    run(app, "SELECT * FROM later.t", "INSERT INTO later.t VALUES (1)")
    with pytest.raises(DENIED):
        run(app, "DELETE FROM later.t")
    with psycopg.connect(database.conninfo()) as connection:
        assert connection.execute("SELECT count(*) FROM public.before").fetchone() == (2,)


def test_it_is_an_ordinary_role(database: Target, role: AppRole) -> None:
    provision(database, role)
    with psycopg.connect(database.conninfo()) as connection:
        found = connection.execute(
            "SELECT rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls, "
            "(SELECT count(*) FROM pg_auth_members WHERE member = r.oid), "
            "(SELECT rolpassword ^@ 'SCRAM-SHA-256' FROM pg_authid a WHERE a.oid = r.oid) "
            "FROM pg_roles r WHERE rolname = %s",
            (role.name,),
        ).fetchone()
    assert found == (True, False, 0, True)
    app = as_app(database, role)
    for statement in ("CREATE ROLE x", "CREATE DATABASE x", "CREATE SCHEMA x", f"ALTER ROLE {database.user} NOLOGIN"):
        with pytest.raises(DENIED):
            run(app, statement)


def test_it_cannot_make_tables_in_the_schema_public(database: Target, role: AppRole) -> None:
    run(database, "GRANT CREATE ON SCHEMA public TO PUBLIC")  # as before 15
    provision(database, role)
    with pytest.raises(DENIED):
        run(as_app(database, role), "CREATE TABLE public.mine (a int)")


def test_a_second_time_changes_nothing(database: Target, role: AppRole) -> None:
    assert provision(database, role)
    before = role.passfile.read_bytes()
    assert not provision(database, role)
    assert role.passfile.read_bytes() == before
    run(as_app(database, role), "SELECT 1")


def test_its_password_works_by_number_and_by_name(database: Target, role: AppRole) -> None:
    provision(database, role)
    for host in (database.host, "localhost"):
        run(dataclasses.replace(as_app(database, role), host=host), "SELECT 1")


def test_a_password_that_was_lost_is_made_anew(database: Target, role: AppRole) -> None:
    made(database, "t")
    provision(database, role)
    role.passfile.unlink()
    assert provision(database, role)
    run(as_app(database, role), "SELECT * FROM public.t")
    with pytest.raises(DENIED):
        run(as_app(database, role), "DELETE FROM public.t")


def test_what_was_taken_from_it_is_not_given_back(database: Target, role: AppRole) -> None:
    made(database, "t")
    provision(database, role)
    name = sql.Identifier(role.name).as_string(None)
    run(database, f"REVOKE UPDATE ON public.t FROM {name}")
    role.passfile.unlink()
    provision(database, role)
    with pytest.raises(DENIED):
        run(as_app(database, role), "UPDATE public.t SET words = ''")


def test_killed_after_the_password_was_written_it_is_made_with_it(database: Target, role: AppRole) -> None:
    entry = PassEntry(host=role.host, port=role.port, user=role.name, password="already-written")
    add_passwords(role.passfile, [entry])
    assert provision(database, role)
    assert find_password(role.passfile, host=role.host, port=role.port, user=role.name) == "already-written"
    run(as_app(database, role), "SELECT 1")


def test_a_failure_makes_no_half_role(database: Target, role: AppRole) -> None:
    run(database, "CREATE SCHEMA other", "CREATE TABLE other.t (a int)")
    wrong = dataclasses.replace(role, admin="no such role")
    policy = Policy(database=database.database, app=role.name, admin=wrong.admin, settings={"no_such_setting": "1"})
    passwords = Passwords(passfile=role.passfile, host=role.host, port=role.port)
    with pytest.raises(ApplyError, match="no_such_setting"):
        provision_role(policy, passwords, lambda d: connect(database.on(d), read_only=False))
    with psycopg.connect(database.conninfo()) as connection:
        assert not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role.name,)).fetchone()
    assert provision(database, role)
    run(as_app(database, role), "SELECT 1")


def test_a_reading_session_cannot_provision(database: Target, role: AppRole) -> None:
    policy = Policy(database=database.database, app=role.name, admin=role.admin)
    passwords = Passwords(passfile=role.passfile, host=role.host, port=role.port)
    with pytest.raises(ApplyError, match="read-only transaction"):
        provision_role(policy, passwords, lambda d: connect(database.on(d)))


def test_on_a_server_of_somebody_else_nothing_is_taken(database: Target, role: AppRole) -> None:
    run(database, "CREATE TABLE t (a int)", "GRANT DELETE ON t TO PUBLIC")
    policy = Policy(database=database.database, app=role.name, admin=role.admin)
    passwords = Passwords(passfile=role.passfile, host=role.host, port=role.port)
    done = provision_role(policy, passwords, lambda d: connect(database.on(d), read_only=False), only_give=True)
    assert done.statements and not [s for s in done.statements if "REVOKE" in s.sql]
    run(as_app(database, role), "SELECT * FROM public.t", "DELETE FROM public.t")
