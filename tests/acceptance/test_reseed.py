"""``reseed``: the test database made anew from a backup, all or nothing, and 99 where it is unexpectedly empty."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

import psycopg
import pytest
from tests.acceptance.project import Project, ends, processes_with, wait_for
from tests.thin import some

RESEED_KEYS = {
    *("schema", "backup", "database", "tables", "rows", "proven", "reference_reused", "seconds"),
}
REFERENCE = "inventory_test_reference"


@pytest.fixture
def used(shop) -> Iterator[Project]:
    """The shop with a new backup, after somebody worked on its test database; that is made anew afterwards."""
    shop.run("backup", "create")
    shop.sql("test", 'DROP TABLE "Transaction"', """UPDATE "SKU" SET price = 0""", "CREATE TABLE mine (id int)")
    yield shop
    shop.run("reseed", "--fresh-start")
    assert shop.contents("test") == shop.contents("production")
    assert shop.databases("test") == {"inventory_test", REFERENCE}


def test_an_empty_test_database_is_a_catastrophe_until_a_person_says_otherwise(shop):
    backup = shop.json("backup", "create")["backup"]["id"]
    shop.sql("test", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    said = shop.refused("reseed", "--issue", "7", code=99)
    assert "CATASTROPHIC FAILURE" in said and "inventory_test has no tables" in said and "--fresh-start" in said
    assert shop.contents("test") == {}
    document = shop.json("reseed", "--fresh-start", "--issue", "7")
    assert document.keys() == RESEED_KEYS
    assert (document["backup"], document["database"]) == (backup, "inventory_test")
    assert (document["tables"], document["rows"], document["proven"]) == (3, 550, True)
    assert shop.contents("test") == shop.contents("production")
    assert shop.json("reseed")["reference_reused"] is True


@pytest.mark.long
def test_a_test_database_that_is_gone_is_a_catastrophe_too(shop):
    shop.sql("test", "DROP DATABASE inventory_test WITH (FORCE)", database="postgres")
    shop.refused("reseed", code=99)
    shop.run("reseed", "--fresh-start")
    assert shop.contents("test") == shop.contents("production")


def test_whatever_was_done_to_it_it_is_as_the_backup_again(used):
    with used.connect("test") as somebody:
        said = used.run("reseed").said
        assert "TEST DATABASE RESEEDED inventory_test" in said and "3 tables, 550 rows, equal row for row" in said
        with pytest.raises(psycopg.OperationalError):  # a session in the old database is ended and holds nothing up
            somebody.execute("SELECT 1")
    assert used.contents("test") == used.contents("production")
    assert used.sql("test", """SELECT to_regclass('mine') IS NULL""") == [(True,)]


@pytest.mark.long
def test_a_reference_that_was_touched_is_made_anew(used):
    used.run("reseed")
    used.sql("test", 'DELETE FROM "Transaction" WHERE id = 1', database=REFERENCE)
    document = used.json("reseed")
    assert document["reference_reused"] is False
    assert used.contents("test") == used.contents("production")


@pytest.mark.long
def test_an_older_backup(used):
    older = used.json("backup", "create")["backup"]["id"]
    used.sql("production", """INSERT INTO "Component" (code) VALUES ('newer')""")
    try:
        used.run("backup", "create")
        assert used.json("reseed", "--backup", older)["backup"] == older
        assert used.contents("test")["public.Component"][0] == 50
        assert used.json("reseed")["rows"] == 551
    finally:
        used.sql("production", """DELETE FROM "Component" WHERE code = 'newer'""")
        used.run("backup", "create")


@pytest.mark.parametrize(
    "statement",
    some(
        [
            "ALTER DATABASE inventory_test RESET ringfence.environment",
            "ALTER DATABASE inventory_test SET ringfence.environment = 'production'",
            "ALTER DATABASE inventory_test SET ringfence.project = 'another'",
        ],
        keep=1,
    ),
)
def test_a_database_that_is_not_provably_the_test_database_is_left_alone(shop, statement):
    before = shop.contents("test")
    shop.sql("test", statement, database="postgres")
    try:
        shop.refused("reseed", "--fresh-start", code=7)
        assert shop.contents("test") == before
    finally:
        for name, value in (("environment", "test"), ("project", "inventory")):
            shop.sql("test", f"ALTER DATABASE inventory_test SET ringfence.{name} = '{value}'", database="postgres")


def test_productions_port_for_the_test_server_is_refused(shop):
    text = shop.config.read_text()
    test, production = (f"db_port = {shop.ports[e]}" for e in ("test", "production"))
    shop.config.write_text(text.replace(test, production))
    assert "is also production.db_port" in shop.refused("reseed", "--fresh-start", code=7)


@contextlib.contextmanager
def another_way_to_production(project: Project) -> Iterator[int]:
    """A port that leads to production's server, as a forwarded port, a pooler or a name in DNS would."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            while True:
                near = stack.enter_context(listener.accept()[0])
                far = stack.enter_context(socket.create_connection(("127.0.0.1", project.ports["production"])))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        serving.join(10)


@pytest.mark.long
def test_a_way_to_production_by_another_port_is_seen_through(shop):
    """Everything says test: port, role and password, even a database with the test database's name and stamp."""
    text, passwords = shop.config.read_text(), shop.pgpass.read_text()
    before = shop.contents("production")
    shop.sql(
        "production",
        f"CREATE ROLE inventory_test SUPERUSER LOGIN PASSWORD '{shop.password('test')}'",
        "CREATE DATABASE inventory_test TEMPLATE inventory",
        "ALTER DATABASE inventory_test SET ringfence.environment = 'test'",
        "ALTER DATABASE inventory_test SET ringfence.project = 'inventory'",
        database="postgres",
    )
    shop.agent("build", f"touch {shop.scripts}/must-not-run")
    try:
        with another_way_to_production(shop) as port:
            shop.pgpass.write_text(f"{passwords}127.0.0.1:{port}:*:inventory_test:{shop.password('test')}\n")
            shop.config.write_text(text.replace(f"db_port = {shop.ports['test']}", f"db_port = {port}"))
            shop.run("backup", "create")
            for words in (("reseed",), ("reseed", "--fresh-start"), ("backup", "verify", "--restore"), ("pre",)):
                assert "check db_port of [test]" in shop.refused(*words, code=7) or words == ("pre",)
            assert shop.databases("production") == {"inventory", "inventory_test", "kept"}
            assert shop.contents("production", database="inventory_test") == before
    finally:
        shop.config.write_text(text)
        shop.pgpass.write_text(passwords)
        shop.sql("production", "DROP DATABASE inventory_test", "DROP ROLE inventory_test", database="postgres")
    assert shop.contents("production") == before
    assert not (shop.scripts / "must-not-run").exists()
    shop.run("backup", "create")


def test_two_at_once_take_turns(used):
    """The backup is new: one of them makes the reference from it, the other one finds it."""
    children = [used.start("reseed") for _ in range(2)]
    assert [ends(child) for child in children] == [0, 0]
    assert used.contents("test") == used.contents("production")


def test_without_a_backup_and_without_a_server(shop):
    assert "no such backup" in shop.refused("reseed", "--backup", "inventory_backup_1_20200101T000000Z", code=5)
    before = shop.contents("test")
    shop.kill_server("test")
    try:
        assert "ringfence up" in shop.refused("reseed", code=6)
    finally:
        shop.run("up")
    assert shop.contents("test") == before


KILLS = ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130))


@pytest.mark.parametrize("kills", some([KILLS[:1], KILLS], keep=1), ids=["killed", "killed and interrupted"])
def test_a_reseed_that_is_killed_leaves_the_test_database_as_it_was(used, kills):
    used.sql("production", "CREATE MATERIALIZED VIEW slow AS SELECT 1 AS one FROM pg_sleep(2)")
    used.run("backup", "create")
    before, stamp = used.contents("test"), stamp_of_test(used)

    def restoring() -> list[int]:
        return processes_with("pg_restore", f"port={used.ports['test']}")

    # pg_restore is killed: the command itself says that it failed.
    child = used.start("reseed")
    wait_for(restoring, "pg_restore")
    for pid in restoring():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert ends(child) == 6
    assert (used.contents("test"), stamp_of_test(used)) == (before, stamp)

    # The command is killed, and then interrupted.
    for sign, code in kills:
        child = used.start("reseed")
        wait_for(restoring, "pg_restore")
        child.send_signal(sign)
        assert ends(child) == code
        assert (used.contents("test"), stamp_of_test(used)) == (before, stamp)
        wait_for(lambda: not restoring(), "the restore that was left to end")

    used.sql("production", "DROP MATERIALIZED VIEW slow")
    used.run("backup", "create")
    used.run("reseed")
    assert used.contents("test") == used.contents("production")
    assert used.databases("test") == {"inventory_test", REFERENCE}, "nothing is left of what was broken off"


def stamp_of_test(project: Project) -> list:
    """The settings of the test database, as the server has them."""
    query = "SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = "
    return project.sql("test", f"{query}'inventory_test'", database="postgres")
