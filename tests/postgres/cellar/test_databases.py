"""Whole databases of live servers: made, copied, swapped, dropped, with people connected and odd names."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ringfence.postgres import databases
from ringfence.postgres.connection import Connection, connect
from ringfence.postgres.identity import read_stamp, write_stamp
from ringfence.postgres.target import Target

pytestmark = pytest.mark.postgres

ODD = ["a\"b;'", "ü" * 31 + "x", "%s %(a)s {}", "-rf", "new\nline", "UPPER lower", "😀" * 15]
PLAIN = sql.SQL("ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'").format()


@pytest.fixture
def admin(server: Any) -> Iterator[Connection]:
    """A writing session in another database; what the test left is dropped."""
    with connect(server.target, read_only=False) as connection:
        query = "SELECT datname FROM pg_catalog.pg_database"
        before = {r[0] for r in connection.execute(query)}
        yield connection
        for (name,) in connection.execute(query).fetchall():
            if name not in before:
                databases.drop(connection, name)


@pytest.fixture
def name() -> str:
    return f"d_{secrets.token_hex(5)}"


def run(target: Target, *statements: str) -> None:
    with psycopg.connect(target.conninfo(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def content(target: Target) -> str:
    with psycopg.connect(target.conninfo()) as connection:
        return str(connection.execute("SELECT words FROM public.content").fetchone()[0])  # type: ignore[index]


def filled(admin: Connection, target: Target, words: str) -> None:
    databases.create_empty(admin, target.database, PLAIN)
    run(target, "CREATE TABLE public.content (words text)", f"INSERT INTO public.content VALUES ('{words}')")


def names(admin: Connection) -> set[str]:
    return {r[0] for r in admin.execute("SELECT datname FROM pg_catalog.pg_database")}


# --- odd names --------------------------------------------------------------------------------------------------------


def test_odd_names_go_all_the_way(admin: Connection, server: Any) -> None:
    for odd in ODD:
        target = server.target.on(odd)
        assert not databases.exists(admin, odd)
        filled(admin, target, "one")
        assert databases.exists(admin, odd) and content(target) == "one"
        copy = databases.beside(odd, "incoming")
        databases.copy(admin, odd, copy)
        run(server.target.on(copy), "UPDATE public.content SET words = 'two'")
        aside = databases.beside(odd, "replaced")
        databases.swap(admin, current=odd, replacement=copy, aside=aside, in_transaction=lambda: None)
        assert (content(target), content(server.target.on(aside))) == ("two", "one")
        assert not databases.exists(admin, copy)
        databases.drop(admin, odd)
        databases.drop(admin, aside)
        assert not databases.exists(admin, odd)


def test_dropping_what_is_not_there_is_nothing(admin: Connection, name: str) -> None:
    databases.drop(admin, name)


# --- made empty, with a locale ----------------------------------------------------------------------------------------


def test_what_somebody_planted_in_template1_does_not_get_in(admin: Connection, server: Any, name: str) -> None:
    """F43."""
    template = server.target.on("template1")
    run(template, "CREATE FUNCTION public.planted() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    try:
        databases.create_empty(admin, name, PLAIN)
        with psycopg.connect(server.target.on(name).conninfo()) as connection:
            query = "SELECT count(*) FROM pg_catalog.pg_proc WHERE proname = 'planted'"
            assert connection.execute(query).fetchone() == (0,)
    finally:
        run(template, "DROP FUNCTION public.planted()")


def locales(server: Any) -> list[str]:
    """The ends of CREATE DATABASE statements that this server should be able to repeat."""
    known = [
        "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
        "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
        "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
        "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'",
        "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'",
    ]
    if server.major >= 15:
        known = [f"{clause} LOCALE_PROVIDER libc" for clause in known]
        known.append("ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'de'")
        known.append(
            "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk'"
        )
    if server.major >= 17:
        known += [
            f"ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE '{locale}'"
            for locale in ("C", "C.UTF-8")
        ]
    return known


def test_a_locale_that_was_read_can_be_made_again(admin: Connection, server: Any, name: str) -> None:
    query = (
        "SELECT to_jsonb(d) - '{oid,datname,datfrozenxid,datminmxid,dattablespace}'::text[] "
        "FROM pg_catalog.pg_database d WHERE datname = %s"
    )
    made = 0
    for clause in locales(server):
        try:
            databases.create_empty(admin, name, sql.SQL(clause).format())  # type: ignore[arg-type]
        except psycopg.errors.FeatureNotSupported:
            assert "icu" in clause  # a build without it
            continue
        made += 1
        locale = databases.read_locale(admin, name)
        again = f"{name}_again"
        databases.create_empty(admin, again, databases.locale_clause(locale, major=server.major))
        assert databases.read_locale(admin, again) == locale
        one, other = (admin.execute(query, (n,)).fetchone() for n in (name, again))
        assert one == other, clause
        databases.drop(admin, name)
        databases.drop(admin, again)
    assert made >= 5


def test_the_locale_of_a_database_that_is_not_there_is_an_error(admin: Connection, name: str) -> None:
    with pytest.raises(psycopg.errors.InvalidCatalogName, match=name):
        databases.read_locale(admin, name)


# --- copies -----------------------------------------------------------------------------------------------------------


def test_a_copy_is_made_while_sessions_are_in_the_source(admin: Connection, server: Any, name: str) -> None:
    target = server.target.on(name)
    filled(admin, target, "one")
    idle = psycopg.connect(target.conninfo(), autocommit=True)
    writing = psycopg.connect(target.conninfo())
    writing.execute("UPDATE public.content SET words = 'uncommitted'")
    try:
        databases.copy(admin, name, f"{name}_copy")
        assert content(server.target.on(f"{name}_copy")) == "one" == content(target)
        for ended in (idle, writing):
            with pytest.raises(psycopg.OperationalError):
                ended.execute("SELECT 1")
    finally:
        idle.close()
        writing.close()


def test_a_copy_is_made_while_somebody_keeps_coming_back(admin: Connection, server: Any, name: str) -> None:
    target = server.target.on(name)
    filled(admin, target, "one")
    stop = threading.Event()

    def intrude() -> None:
        while not stop.is_set():
            with contextlib.suppress(psycopg.Error), psycopg.connect(target.conninfo(), autocommit=True) as session:
                session.execute("SELECT pg_sleep(0.05)")

    intruders = [threading.Thread(target=intrude) for _ in range(3)]
    for intruder in intruders:
        intruder.start()
    try:
        databases.copy(admin, name, f"{name}_copy")
    finally:
        stop.set()
        for intruder in intruders:
            intruder.join()
    assert content(server.target.on(f"{name}_copy")) == "one"


def test_sessions_elsewhere_are_left_alone(admin: Connection, server: Any, name: str) -> None:
    filled(admin, server.target.on(name), "one")
    with psycopg.connect(server.target.conninfo(), autocommit=True) as other:
        databases.copy(admin, name, f"{name}_copy")
        databases.drop(admin, name)
        assert other.execute("SELECT 1").fetchone() == (1,)


def test_a_name_that_is_taken_is_an_error_and_stays(admin: Connection, server: Any, name: str) -> None:
    filled(admin, server.target.on(name), "one")
    filled(admin, server.target.on(f"{name}_2"), "two")
    with pytest.raises(psycopg.errors.DuplicateDatabase):
        databases.copy(admin, name, f"{name}_2")
    with pytest.raises(psycopg.errors.DuplicateDatabase):
        databases.create_empty(admin, name, PLAIN)
    assert (content(server.target.on(name)), content(server.target.on(f"{name}_2"))) == ("one", "two")


# --- dropping ---------------------------------------------------------------------------------------------------------


def test_a_database_is_dropped_with_people_in_it(admin: Connection, server: Any, name: str) -> None:
    target = server.target.on(name)
    filled(admin, target, "one")
    with contextlib.closing(psycopg.connect(target.conninfo())) as session:
        session.execute("SELECT 1")
        databases.drop(admin, name)
    assert not databases.exists(admin, name)


def test_a_database_that_somebody_made_a_template_is_dropped(admin: Connection, name: str) -> None:
    """The test role is a superuser on its server: an agent may have done that, and every later reset would fail."""
    databases.create_empty(admin, name, PLAIN)
    for statement in ("IS_TEMPLATE true", "ALLOW_CONNECTIONS false", "CONNECTION LIMIT 0"):
        admin.execute(f"ALTER DATABASE {name} {statement}".encode())
    databases.drop(admin, name)
    assert not databases.exists(admin, name)


# --- swapping ---------------------------------------------------------------------------------------------------------


def test_a_swap_keeps_the_old_one_aside_and_stamps_both(admin: Connection, server: Any, name: str) -> None:
    target = server.target.on(name)
    filled(admin, target, "old")
    filled(admin, server.target.on(f"{name}_new"), "new")

    def stamp() -> None:
        write_stamp(admin, name, environment="replaced", project="p")
        write_stamp(admin, f"{name}_new", environment="test", project="p")

    with psycopg.connect(target.conninfo(), autocommit=True):
        databases.swap(admin, current=name, replacement=f"{name}_new", aside=f"{name}_old", in_transaction=stamp)
    assert content(target) == "new" and content(server.target.on(f"{name}_old")) == "old"
    assert read_stamp(admin, name).environment == "test"
    assert read_stamp(admin, f"{name}_old").environment == "replaced"
    assert not databases.exists(admin, f"{name}_new")


def test_a_swap_into_a_free_name(admin: Connection, server: Any, name: str) -> None:
    filled(admin, server.target.on(f"{name}_new"), "new")
    databases.swap(admin, current=name, replacement=f"{name}_new", aside=f"{name}_old", in_transaction=lambda: None)
    assert content(server.target.on(name)) == "new"
    assert not databases.exists(admin, f"{name}_old")


def test_a_swap_that_fails_changes_nothing(admin: Connection, server: Any, name: str) -> None:
    filled(admin, server.target.on(name), "old")
    filled(admin, server.target.on(f"{name}_new"), "new")
    before = names(admin)

    def fail() -> None:
        write_stamp(admin, name, environment="replaced", project="p")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        databases.swap(admin, current=name, replacement=f"{name}_new", aside=f"{name}_old", in_transaction=fail)
    with pytest.raises(psycopg.errors.DuplicateDatabase):  # the second rename fails: the first one is undone
        databases.swap(admin, current=name, replacement=f"{name}_new", aside=f"{name}_new", in_transaction=lambda: None)
    with pytest.raises(psycopg.errors.InvalidCatalogName):
        databases.swap(admin, current=name, replacement="gone", aside=f"{name}_old", in_transaction=lambda: None)
    assert names(admin) == before and content(server.target.on(name)) == "old"
    assert read_stamp(admin, name).environment is None


def test_the_name_leads_to_a_whole_database_at_every_moment(admin: Connection, server: Any, name: str) -> None:
    """F08: sessions come all the time, and none of them finds no database."""
    target = server.target.on(name)
    filled(admin, target, "whole")
    stop = threading.Event()
    seen: list[str] = []

    def look() -> None:
        while not stop.is_set():
            try:
                seen.append(content(target))
            except psycopg.OperationalError as error:
                seen.append(str(error))  # ended by the swap: it was in the old one, or on its way into it

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for number in range(4):
            databases.copy(admin, name, f"{name}_new")
            aside = f"{name}_old"
            databases.swap(admin, current=name, replacement=f"{name}_new", aside=aside, in_transaction=lambda: None)
            databases.drop(admin, aside)
            assert content(target) == "whole", number
    finally:
        stop.set()
        for looker in lookers:
            looker.join()
    assert seen.count("whole") > 5
    # PostgreSQL tells a session that looked the name up just before, and waited, to come again; nothing else.
    words = "It seems to have just been dropped or renamed"
    assert not [s for s in seen if ("does not exist" in s and words not in s) or "relation" in s]
