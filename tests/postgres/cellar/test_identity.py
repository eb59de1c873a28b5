"""Identity and stamp, asked of live servers. File-level copies of a cluster are in tests/postgres/engines."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ringfence import process
from ringfence.errors import IdentityError
from ringfence.postgres import databases, queries
from ringfence.postgres.connection import Connection, connect
from ringfence.postgres.identity import (
    Stamp,
    read_identity,
    read_stamp,
    require_apart,
    require_stamp,
    share_locks,
    write_stamp,
)
from ringfence.postgres.target import PassEntry, Target, add_passwords, find_password

pytestmark = pytest.mark.postgres

NO_STAMP = Stamp(environment=None, project=None, baseline=None)


@contextlib.contextmanager
def writing(target: Target) -> Iterator[Connection]:
    with connect(target, read_only=False) as connection:
        yield connection


def quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)


def stamped(
    target: Target, environment: str = "production", project: str = "shop", baseline: str | None = None
) -> None:
    with writing(target) as connection:
        write_stamp(connection, target.database, environment=environment, project=project, baseline=baseline)


def stamp_of(target: Target, database: str | None = None) -> Stamp:
    with connect(target) as connection:
        return read_stamp(connection, database or target.database)


@pytest.fixture
def elsewhere(server: Any, servers: Mapping[int, Any]) -> Target:
    """Another server than the one the test is about."""
    return next(s.target for m, s in servers.items() if m != server.major)


@pytest.fixture
def by_name(database: Target) -> Target:
    """The same database through another spelling of the address."""
    password = find_password(database.passfile, host=database.host, port=database.port, user=database.user)
    assert password is not None
    entry = PassEntry(host="localhost", port=database.port, user=database.user, password=password)
    add_passwords(database.passfile, [entry])
    return dataclasses.replace(database, host="localhost")


# --- identity ---------------------------------------------------------------------------------------------------------


def test_the_server_says_who_it_is(database: Target, server: Any) -> None:
    with connect(database) as connection:
        found = read_identity(connection)
    assert found.database == database.database and found.database_oid > 16000
    assert int(found.system_identifier) > 0 and found.timeline == 1
    assert found.server_version_num // 10000 == server.major
    assert found.server_version.startswith(f"{server.major}.")
    assert found.data_directory == str(server.data)
    assert (found.in_recovery, found.superuser) == (False, True)
    assert f'database "{database.database}"' in found.describe() and found.system_identifier in found.describe()


def test_one_server_is_the_same_however_it_is_addressed(database: Target, by_name: Target) -> None:
    with connect(database) as one, connect(by_name) as other:
        assert read_identity(one) == read_identity(other)
    with connect(database) as one, connect(database.on("postgres")) as other:
        assert read_identity(one).system_identifier == read_identity(other).system_identifier
        assert read_identity(one).database_oid != read_identity(other).database_oid


def test_two_servers_differ(database: Target, elsewhere: Target) -> None:
    with connect(database) as one, connect(elsewhere) as other:
        assert read_identity(one).system_identifier != read_identity(other).system_identifier


def test_a_role_that_became_another_is_no_superuser(database: Target) -> None:
    with connect(database, read_only=False) as connection:
        connection.execute("SET ROLE pg_monitor")
        assert read_identity(connection).superuser is False


def test_an_ordinary_role_is_told_what_it_may_know(database: Target) -> None:
    with connect(database, read_only=False) as connection:
        whole = read_identity(connection)
        role = sql.Identifier(f"plain_{secrets.token_hex(4)}")
        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        try:
            connection.execute(sql.SQL("SET ROLE {}").format(role))
            found = read_identity(connection)
        finally:
            connection.execute("RESET ROLE")
            connection.execute(sql.SQL("DROP ROLE {}").format(role))
    assert found == dataclasses.replace(whole, superuser=False, data_directory=None)


def test_a_name_in_a_description_is_on_one_line(server: Any) -> None:
    name = 'x"\nVERIFY OK\x1b[32m'
    with server.new_database(name=name) as target, connect(target) as connection:
        found = read_identity(connection)
    assert found.database == name
    assert found.describe().isprintable()


# --- one running server or two ----------------------------------------------------------------------------------------


def test_locks_are_shared_however_the_server_is_addressed(database: Target, by_name: Target) -> None:
    with connect(database) as one, connect(by_name) as other:
        for _ in range(5):
            assert share_locks(one, other) and share_locks(other, one)
        left = one.execute("SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory'").fetchone()
        assert left == (0,)


def test_locks_are_shared_between_databases_of_a_server(database: Target) -> None:
    with connect(database) as one, connect(database.on("postgres")) as other:
        assert share_locks(one, other) and share_locks(other, one)


def test_locks_are_not_shared_between_servers(database: Target, elsewhere: Target) -> None:
    with connect(database) as one, connect(elsewhere) as other:
        assert not share_locks(one, other) and not share_locks(other, one)


def test_the_lock_is_let_go_when_the_look_fails(database: Target) -> None:
    with connect(database) as one:
        with connect(database) as other:
            other.close()
            with pytest.raises(psycopg.Error):
                share_locks(one, other)
        left = one.execute("SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory'").fetchone()
        assert left == (0,)


def test_one_server_is_refused_as_test_and_production(database: Target, by_name: Target) -> None:
    words = "^test and production are the same server"
    for test in (database, by_name, database.on("postgres")):
        with connect(database) as one, connect(test) as other, pytest.raises(IdentityError, match=words) as caught:
            require_apart(one, other)
        assert caught.value.exit_code == 7


def test_two_servers_are_apart(database: Target, elsewhere: Target) -> None:
    with connect(database) as one, connect(elsewhere) as other:
        require_apart(one, other)


# --- the stamp --------------------------------------------------------------------------------------------------------


def test_a_stamp_is_read_back(database: Target) -> None:
    assert stamp_of(database) == NO_STAMP
    stamped(database)
    assert stamp_of(database) == Stamp(environment="production", project="shop", baseline=None)
    stamped(database, "test", "other", "b_1")
    assert stamp_of(database) == Stamp(environment="test", project="other", baseline="b_1")
    assert stamp_of(database.on("postgres"), database.database).environment == "test"


@pytest.mark.parametrize("value", ["a=b=c", "it's", 'a"b', "a,b", "{x}", " x ", "é😀", "a\\b", "-- x", ""])
def test_any_text_comes_back(servers: Mapping[int, Any], value: str) -> None:
    server = next(iter(servers.values()))
    with server.new_database() as target:
        stamped(target, project=value)
        assert stamp_of(target).project == value


def test_a_session_cannot_be_taken_for_what_it_says(database: Target) -> None:
    """Nothing that a session, a role or libpq's options set counts; only what stands in the catalog."""
    role = f"liar_{secrets.token_hex(4)}"
    with writing(database) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD 'x'").format(sql.Identifier(role)))
        name, who = sql.Identifier(database.database), sql.Identifier(role)
        for whom in (sql.SQL("ROLE {}").format(who), sql.SQL("ROLE {} IN DATABASE {}").format(who, name)):
            connection.execute(sql.SQL("ALTER {} SET ringfence.environment = 'production'").format(whom))
            connection.execute(sql.SQL("ALTER {} SET ringfence.project = 'shop'").format(whom))
    add_passwords(database.passfile, [PassEntry(host=database.host, port=database.port, user=role, password="x")])
    liar = dataclasses.replace(database, user=role)
    options = "-c ringfence.environment=production -c ringfence.project=shop"
    try:
        with psycopg.connect(liar.conninfo(), options=options, autocommit=True) as connection:
            connection.execute("SET ringfence.environment = 'production'")
            connection.execute("SET ringfence.project = 'shop'")
            assert connection.execute("SHOW ringfence.environment").fetchone() == ("production",)
            assert read_stamp(connection, database.database) == NO_STAMP
            with pytest.raises(IdentityError, match="carries no stamp"):
                require_stamp(connection, database=database.database, environment="production", project="shop")
    finally:
        with writing(database) as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_role_without_the_right_cannot_change_a_stamp(database: Target) -> None:
    stamped(database, "test")
    with writing(database) as connection:
        connection.execute("SET ROLE pg_monitor")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            write_stamp(connection, database.database, environment="production", project="shop")
    assert stamp_of(database).environment == "test"


def test_a_renamed_database_keeps_its_stamp(database: Target) -> None:
    stamped(database)
    new = f"{database.database}_renamed"
    with writing(database.on("postgres")) as connection:
        connection.execute(f"ALTER DATABASE {quoted(database.database)} RENAME TO {quoted(new)}".encode())
        try:
            assert read_stamp(connection, new).environment == "production"
            assert read_stamp(connection, database.database) == NO_STAMP
        finally:
            connection.execute(f"ALTER DATABASE {quoted(new)} RENAME TO {quoted(database.database)}".encode())


def test_a_copy_of_a_database_has_no_stamp(database: Target) -> None:
    stamped(database)
    new = f"{database.database}_copy"
    with writing(database.on("postgres")) as connection:
        try:
            databases.copy(connection, database.database, new)
            assert read_stamp(connection, new) == NO_STAMP
            with pytest.raises(IdentityError):
                require_stamp(connection, database=new, environment="production", project="shop")
        finally:
            databases.drop(connection, new)


def test_a_restored_database_has_no_stamp(database: Target, server: Any, tmp_path: Path) -> None:
    stamped(database)
    environment = process.clean_environment()
    dump = [server.programs.path("pg_dump"), "-Fc", "-f", tmp_path / "d", "-d", database.conninfo()]
    process.run(dump, timeout_s=60, env=environment)
    with server.new_database() as restored:
        argv = [server.programs.path("pg_restore"), "-d", restored.conninfo(), tmp_path / "d"]
        process.run(argv, timeout_s=60, env=environment)
        assert stamp_of(restored) == NO_STAMP


def test_stamped_databases_are_found_by_their_stamp_and_not_by_their_name(server: Any) -> None:
    def own(connection: Connection, environment: str, project: str) -> list[str]:
        query = queries.load("ringfence.postgres", "stamped")
        return [r[0] for r in connection.execute(query, {"environment": environment, "project": project})]

    with server.new_database() as one, server.new_database() as two, server.new_database(), writing(one) as connection:
        project = f"p{secrets.token_hex(4)}"
        assert own(connection, "incoming", project) == []
        write_stamp(connection, two.database, environment="incoming", project=project)
        write_stamp(connection, one.database, environment="incoming", project=project, baseline="b")
        assert own(connection, "incoming", project) == [one.database, two.database]  # by age
        assert own(connection, "incoming", f"{project}x") == own(connection, "test", project) == []


# --- refusing ---------------------------------------------------------------------------------------------------------


def test_the_stamp_asked_for_gives_the_identity(database: Target) -> None:
    stamped(database)
    with connect(database) as connection:
        found = require_stamp(connection, database=database.database, environment="production", project="shop")
        assert found == read_identity(connection)


@pytest.mark.parametrize(
    ("environment", "project", "says"),
    [
        (None, None, "carries no stamp; expected 'production' of project 'shop'"),
        ("test", "shop", "carries the stamp 'test' of 'shop'; expected 'production' of project 'shop'"),
        ("production", "other", "carries the stamp 'production' of 'other'"),
        ("Production", "shop", "carries the stamp 'Production' of 'shop'"),
        ("", "shop", "carries the stamp '' of 'shop'"),
    ],
)
def test_another_stamp_is_refused(
    servers: Mapping[int, Any], environment: str | None, project: str | None, says: str
) -> None:
    server = next(iter(servers.values()))
    with server.new_database() as target:
        if environment is not None and project is not None:
            stamped(target, environment, project)
        with connect(target) as connection, pytest.raises(IdentityError) as caught:
            require_stamp(connection, database=target.database, environment="production", project="shop")
    assert says in caught.value.message and caught.value.exit_code == 7
    assert "ringfence up" in str(caught.value.hint)


def test_a_database_that_is_not_there_is_refused(database: Target) -> None:
    with connect(database) as connection, pytest.raises(IdentityError, match=r'^database "gone" carries no stamp'):
        require_stamp(connection, database="gone", environment="production", project="shop")


def test_a_stamp_on_an_odd_name(server: Any) -> None:
    for name in ("a\"b;'", "ü" * 31 + "x", "%s %(x)s", "-rf"):
        with server.new_database(name=name) as target:
            stamped(target)
            assert stamp_of(target.on("postgres"), name).environment == "production"
