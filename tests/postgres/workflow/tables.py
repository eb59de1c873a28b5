"""Ways that lead test to production, or production elsewhere, with a word of the explanation each must get."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from tests.postgres.workflow import ways
from tests.postgres.workflow.refusals import (
    ON_PRODUCTION,
    ON_TEST,
    RESTORE,
    all_refuse,
    has_ipv6,
    password_of,
    pointed,
    production_pointed,
    settings,
)
from tests.postgres.workflow.stage import Stage
from tests.postgres.workflow.ways import Door, Way, address, clone, let_in, pooler, statements

from ringfence.engines.embedded import HOST
from ringfence.postgres.target import PassEntry, add_passwords, find_password

SAME_SERVER = "production's server"
NOT_LET_IN = "what answers is not provably test"

TEST_WAYS: dict[str, tuple[Way, str]] = {
    "its address": (address(HOST), SAME_SERVER),
    "its name": (address("localhost"), SAME_SERVER),
    "its name in capitals": (address("LOCALHOST"), SAME_SERVER),
    "its name, percent-encoded": (address("localhost", written="%6cocalhos%74"), SAME_SERVER),
    "the name of this machine": (address(socket.gethostname()), ""),
    "another address of loopback": (address("127.0.0.2"), ""),
    "any address": (address("0.0.0.0"), SAME_SERVER),
    "a short address": (address("127.1"), SAME_SERVER),
    "an address as one number": (address("2130706433"), SAME_SERVER),
    "an address in hexadecimal": (address("0x7f.0.0.1"), SAME_SERVER),
    "an address in octal": (address("0177.0.0.1"), SAME_SERVER),
    "IPv6": (address("::1"), SAME_SERVER),
    "IPv4 within IPv6": (address("::ffff:127.0.0.1"), ""),
    "a Unix socket": (ways.unix_socket, SAME_SERVER),
    "a link to the socket's directory": (ways.linked_socket, SAME_SERVER),
    "a forwarded port": (ways.relay, SAME_SERVER),
    "a forwarded port that is forwarded": (ways.relay_of_a_relay, SAME_SERVER),
    "a pooler, by session": (pooler("session"), "a pooler answers"),
    "a pooler, by transaction": (pooler("transaction"), "a pooler answers"),
    "a pooler, by statement": (pooler("statement"), ""),
    "a pooler that renames the database": (pooler("session", alias=True), "a pooler answers"),
    "a stamp that is gone": (
        statements(
            "ALTER DATABASE {test} RESET ringfence.environment",
            undo=("ALTER DATABASE {test} SET ringfence.environment = 'test'",),
        ),
        SAME_SERVER,
    ),
    "a stamp set for the role": (
        statements(
            "ALTER ROLE {role} SET ringfence.environment = 'test'",
            "ALTER ROLE {role} IN DATABASE {test} SET ringfence.environment = 'test'",
            undo=("ALTER ROLE {role} RESET ALL", "ALTER ROLE {role} IN DATABASE {test} RESET ALL"),
        ),
        SAME_SERVER,
    ),
    "a copy of the database by template": (
        statements(
            "CREATE DATABASE {test}_2 TEMPLATE {production}",
            undo=("DROP DATABASE {test}_2 WITH (FORCE)",),
            name="{test}_2",
        ),
        SAME_SERVER,
    ),
    "the copy renamed": (
        statements(
            "ALTER DATABASE {test} RENAME TO {test}_old",
            "CREATE DATABASE {test} TEMPLATE {production}",
            undo=("DROP DATABASE {test} WITH (FORCE)", "ALTER DATABASE {test}_old RENAME TO {test}"),
        ),
        SAME_SERVER,
    ),
    "the role shut out": (
        statements("ALTER ROLE {role} NOLOGIN", undo=("ALTER ROLE {role} LOGIN",)),
        NOT_LET_IN,
    ),
    "another password": (
        statements("ALTER ROLE {role} VALID UNTIL '2001-01-01'", undo=("ALTER ROLE {role} VALID UNTIL 'infinity'",)),
        NOT_LET_IN,
    ),
}


COPY = "copy of its files"
CLONES: dict[str, tuple[Way, str]] = {
    "a copy of the files": (clone(), COPY),
    "a copy of the files, stamped as test": (clone(restamped=True), COPY),
    "a standby": (clone(standby=True), COPY),
    "a standby that was promoted": (clone(standby=True, promoted=True), COPY),
}


REFUSED_URLS: dict[str, str] = {
    "another host as a parameter": "postgresql://{role}@{test}?host={host}&port={port}",
    "another address as a parameter": "postgresql://{role}@{test}?hostaddr=127.0.0.1",
    "an encoded parameter": "postgresql://{role}@{test}?%68ost=127.0.0.1",
    "another port as a parameter": "postgresql://{role}@{test}?port={port}",
    "another database as a parameter": "postgresql://{role}@{test}?dbname={production}",
    "another role as a parameter": "postgresql://{role}@{test}?user=postgres",
    "a service": "postgresql://{role}@{test}?service=production",
    "a stamp by options": "postgresql://{role}@{test}?options=-c%20ringfence.environment%3Dtest",
    "a server by its state": "postgresql://{role}@{test}?target_session_attrs=primary",
    "a server by chance": "postgresql://{role}@{test}?load_balance_hosts=random",
    "two hosts": "postgresql://{role}@127.0.0.1:1,127.0.0.1:{port}/{name}",
    "no host": "postgresql://{role}@/{name}",
    "words instead of a url": "host=127.0.0.1 port={port} dbname={production}",
    "a service alone": "service=production",
}


def hiding_url(stage: Stage, name: str) -> str:
    """The settings with a url of the table for test."""
    text = REFUSED_URLS[name].format(
        role=stage.test.user,
        test=f"{HOST}:{stage.test.port}/{stage.test.database}",
        host=HOST,
        port=stage.production.port,
        production=stage.production.database,
        name=stage.test.database,
    )
    whole = pointed(stage, Door(host=HOST, port=1))
    changed = whole.replace(f"postgresql://{stage.test.user}@{HOST}:1/{stage.test.database}", text)
    assert text in changed
    return changed


@contextlib.contextmanager
def the_test_server(stage: Stage) -> Iterator[Door]:
    """Production's settings lead to the test server, whose database claims to be production."""
    role, name = stage.production.user, stage.production.database
    password = find_password(stage.production.passfile, host=HOST, port=stage.production.port, user=role)
    with psycopg.connect(stage.test.on("postgres").conninfo(), autocommit=True) as connection:
        words = sql.SQL("ALTER ROLE {} SUPERUSER LOGIN PASSWORD {}")  # the reseed made it, without a login
        connection.execute(words.format(sql.Identifier(role), sql.Literal(password)))
    stage.run(
        "test",
        f"CREATE DATABASE {name}",
        f"ALTER DATABASE {name} SET ringfence.environment = 'production'",
        f"ALTER DATABASE {name} SET ringfence.project = '{stage.project.name}'",
        database="postgres",
    )
    add_passwords(stage.test.passfile, [PassEntry(host=HOST, port=stage.test.port, user=role, password=str(password))])
    try:
        yield Door(host="localhost", port=stage.test.port)
    finally:
        stage.run("test", f"DROP DATABASE {name} WITH (FORCE)", f"ALTER ROLE {role} NOLOGIN", database="postgres")


PRODUCTION_STATEMENTS: dict[str, tuple[Way, str]] = {
    "a stamp that is gone, set for the role": (
        statements(
            "ALTER DATABASE {production} RESET ringfence.environment",
            "ALTER ROLE shared_admin SET ringfence.environment = 'production'",
            "ALTER ROLE shared_admin IN DATABASE {production} SET ringfence.environment = 'production'",
            undo=(
                "ALTER ROLE shared_admin RESET ALL",
                "ALTER ROLE shared_admin IN DATABASE {production} RESET ALL",
                "ALTER DATABASE {production} SET ringfence.environment = 'production'",
            ),
        ),
        "no stamp",
    ),
    "another project's stamp": (
        statements(
            "ALTER DATABASE {production} SET ringfence.project = 'other'",
            undo=("ALTER DATABASE {production} SET ringfence.project = '{project}'",),
        ),
        "'other'",
    ),
    "a copy in its place, stamped": (
        statements(
            "ALTER DATABASE {production} RENAME TO {production}_old",
            "CREATE DATABASE {production} TEMPLATE {production}_old",
            "ALTER DATABASE {production} SET ringfence.environment = 'production'",
            "ALTER DATABASE {production} SET ringfence.project = '{project}'",
            undo=(
                "DROP DATABASE {production} WITH (FORCE)",
                "ALTER DATABASE {production}_old RENAME TO {production}",
            ),
        ),
        "on record",
    ),
    "a database that was renamed": (
        statements(
            "ALTER DATABASE {production} RENAME TO {production}_old",
            undo=("ALTER DATABASE {production}_old RENAME TO {production}",),
        ),
        "",
    ),
}


ON_PRODUCTION_AND_RESTORE = (*ON_PRODUCTION, *RESTORE)
ON_PRODUCTIONS_SERVER = (("roles", "apply"), *RESTORE)
"""What changes production's server, and is refused where test is seen to be that server."""
SHOWN = (SAME_SERVER, COPY)

PRODUCTION_DOORS: dict[str, tuple[Way, str]] = {
    "the test server": (the_test_server, "test's server"),
    "a pooler": (pooler("session"), "a pooler answers"),
}


def lacking(name: str) -> str | None:
    """What this machine lacks for a way; None where it can be tried."""
    if "IPv6" in name and not has_ipv6():
        return "no IPv6 loopback on this machine"
    if "pooler" in name and ways.PGBOUNCER is None:
        return "no pgbouncer on this machine"
    return None


class Tried:
    """Every way of the tables on one stage, and what each command said to it."""

    def __init__(self, stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage, self.capsys, self.monkeypatch = stage, capsys, monkeypatch

    def test_way(self, name: str) -> None:
        """Test's settings lead to production by a way of the table."""
        self.way(name, *TEST_WAYS[name])

    def way(self, name: str, way: Way, why: str) -> None:
        """Test's settings lead to production by any way."""
        with way(self.stage) as door, settings(self.stage, pointed(self.stage, door)):
            let_in(self.stage, door)
            told = all_refuse(self.stage, self.capsys, self.monkeypatch, ON_TEST)
            assert why in told, (name, told)
            if any(words in told for words in SHOWN):
                all_refuse(self.stage, self.capsys, self.monkeypatch, ON_PRODUCTIONS_SERVER)

    def hiding_url(self, name: str) -> None:
        """Nobody connects anywhere: that the settings hide where they lead is reason enough."""
        with settings(self.stage, hiding_url(self.stage, name)):
            told = all_refuse(self.stage, self.capsys, self.monkeypatch, (*ON_TEST, *ON_PRODUCTION, *RESTORE))
            assert "test.url" in told, (name, told)

    def production_statement(self, name: str) -> None:
        """Production is not production any more."""
        way, why = PRODUCTION_STATEMENTS[name]
        # 'up' puts a stamp back that was taken from the very database on record; 'restore' replaces a wrong database.
        commands = ON_PRODUCTION[1:] if name.startswith("a stamp that is gone") else ON_PRODUCTION
        commands += RESTORE if name == "another project's stamp" else ()
        with contextlib.ExitStack() as stack:
            stack.enter_context(settings(self.stage, self.stage.project.settings.found_at.read_text()))
            stack.enter_context(way(self.stage))
            looks = name != "a database that was renamed"
            assert why in all_refuse(self.stage, self.capsys, self.monkeypatch, commands, looks=looks), name

    def both_ways(self, name: str) -> None:
        """A copy of production's files as test, and the same copy as production."""
        way, why = CLONES[name]
        with way(self.stage) as door:
            with settings(self.stage, pointed(self.stage, door)):
                let_in(self.stage, door)
                told = all_refuse(self.stage, self.capsys, self.monkeypatch, ON_TEST)
                assert why in told, (name, told)
                all_refuse(self.stage, self.capsys, self.monkeypatch, ON_PRODUCTIONS_SERVER)
            if "stamped as test" not in name:
                self._production_at(name, door, "production is another database than it was")

    def production_door(self, name: str, way: Way, why: str) -> None:
        """Production's settings lead to something else."""
        with way(self.stage) as door:
            self._production_at(name, door, why)

    def _production_at(self, name: str, door: Door, why: str) -> None:
        passwords = self.stage.project.paths.pgpass.read_bytes()
        with settings(self.stage, production_pointed(self.stage, door)):
            user, password = self.stage.production.user, password_of(self.stage)
            entry = PassEntry(host=door.host, port=door.port, user=user, password=password)
            add_passwords(self.stage.production.passfile, [entry])
            told = all_refuse(self.stage, self.capsys, self.monkeypatch, ON_PRODUCTION_AND_RESTORE)
            assert why in told, (name, told)
        self.stage.project.paths.pgpass.write_bytes(passwords)
