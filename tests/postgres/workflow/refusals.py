"""Commands that write, tried with settings that lead astray: each must refuse with 7, explain, and write nothing.

Nothing here knows which engine the two servers run in. The worst case is set up on production's server: the test role
is a superuser there, with test's password, and there is a database with the test database's name and stamp. So only the
server itself can tell.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from tests.postgres.workflow.stage import Stage
from tests.postgres.workflow.ways import Door

from ringfence.cli.main import run_command
from ringfence.engines.embedded import HOST
from ringfence.postgres.connection import connect
from ringfence.postgres.target import find_password

AGENT = """
[[workflow.agents]]
name = "build"
command = ["touch", "must-not-run"]

[git]
commit = false
push = false
"""
ON_TEST = (
    ("up",),
    ("up", "test", "--accept-new-identity", "--yes"),
    ("reseed", "--fresh-start"),
    ("backup", "verify", "--restore"),
    ("pre", "--fresh-start"),
    ("run", "do it", "--fresh-start"),
    ("repair", "--apply", "--yes"),
)
"""Every command that writes to the test server."""

ON_PRODUCTION = (
    ("up", "production", "--yes"),
    ("backup", "create"),
    ("pre",),
    ("run", "do it"),
    ("repair", "--apply", "--yes"),
    ("roles", "apply"),
)
"""Every command that writes to production, or takes what it reads there for production's."""


BACKUP = "BACKUP"
RESTORE = (("restore", BACKUP, "--yes"),)
"""Writes to production's server, where a database that is gone or damaged does not stand in its way."""

OF_ENGINES = ("db_port", "engine", "url", "container", "volume", "image")


def prepare_the_worst(stage: Stage) -> None:
    test = stage.test
    password = find_password(test.passfile, host=test.host, port=test.port, user=test.user)
    with psycopg.connect(stage.production.on("postgres").conninfo(), autocommit=True) as connection:
        role = sql.Identifier(test.user)
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(role, sql.Literal(password)))
    name = test.database
    stage.run(
        "production",
        f"CREATE DATABASE {name} TEMPLATE {stage.production.database}",
        f"ALTER DATABASE {name} SET ringfence.environment = 'test'",
        f"ALTER DATABASE {name} SET ringfence.project = '{stage.project.name}'",
        database="postgres",
    )


def undo_the_worst(stage: Stage) -> None:
    stage.run(
        "production",
        f"DROP DATABASE {stage.test.database} WITH (FORCE)",
        f"DROP ROLE {stage.test.user}",
        database="postgres",
    )


def everything(stage: Stage) -> list[object]:
    """All that a command could have written on production's server: databases, settings, roles, tables, rows."""
    with connect(stage.production.on("postgres")) as connection:
        rows: list[object] = [
            connection.execute(query.encode()).fetchall()
            for query in (
                "SELECT oid, datname, datistemplate, datallowconn FROM pg_database ORDER BY oid",
                "SELECT * FROM pg_db_role_setting ORDER BY 1, 2",
                "SELECT rolname, rolsuper, rolcanlogin FROM pg_roles ORDER BY 1",
                "SELECT subname FROM pg_subscription",
            )
        ]
    for name in (stage.production.database, stage.test.database):
        with connect(stage.production.on(name)) as connection:
            rows.append(connection.execute("SELECT oid, relname FROM pg_class WHERE oid > 16383 ORDER BY 1").fetchall())
            rows.append(connection.execute("SELECT * FROM public.item").fetchall())
    return rows


@contextlib.contextmanager
def settings(stage: Stage, text: str) -> Iterator[None]:
    """Other settings for a while, and the environment of the project for commands in this process."""
    path = stage.project.settings.found_at
    before, passwords = path.read_text(), stage.project.paths.pgpass.read_bytes()
    record = stage.project.paths.identities.read_bytes()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)
        stage.project.paths.pgpass.write_bytes(passwords)
        assert stage.project.paths.identities.read_bytes() == record, "what is on record was changed"


def pointed(stage: Stage, door: Door) -> str:
    """The settings with the test server behind this door."""
    text = stage.project.settings.found_at.read_text()
    head, _, rest = text.partition("[test]")
    return f"{head}[test]\n" + _behind(door, rest, stage.test.user, stage.test.database)


def production_pointed(stage: Stage, door: Door) -> str:
    """The settings with production behind this door."""
    text = stage.project.settings.found_at.read_text()
    head, _, rest = text.partition("[production]")
    own, _, others = rest.partition("[test]")
    return f"{head}[production]\n{_behind(door, own, stage.production.user, stage.production.database)}[test]{others}"


def _behind(door: Door, section: str, user: str, database: str) -> str:
    lines = [line for line in section.splitlines() if not line.startswith(OF_ENGINES)]
    own = ['engine = "server"', f'url = "{door.url(user, database)}"']
    return "\n".join([*own, *([f'database = "{door.name}"'] if door.name else []), *lines]) + "\n"


def command(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, dict[str, object], str]:
    """A command in this process, as its ``main`` runs it: exit status, the one object, what it said to people."""
    with monkeypatch.context() as patched:
        for name, value in stage.environ.items():
            patched.setenv(name, value)
        patched.chdir(stage.root)
        capsys.readouterr()
        code = run_command([*words, "--json", "--config", str(stage.project.settings.found_at)])
        said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def all_refuse(
    stage: Stage,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    commands: tuple[tuple[str, ...], ...],
    *,
    looks: bool = True,
) -> str:
    """Each command refuses, says why and what to do, and leaves production as it was; what they said."""
    before, told = everything(stage) if looks else [], []
    newest = stage.project.store.entries()[0].id
    for given in commands:
        words = tuple(newest if word == BACKUP else word for word in given)
        code, document, said = command(stage, capsys, monkeypatch, *words)
        assert code == 7, f"{words}: {code}\n{said}"
        error = document["error"]
        assert isinstance(error, dict) and error["code"] == code, document
        assert len(error["message"]) > 20 and error["hint"], f"{words} explains nothing: {error}"
        told.append(error["message"])
    assert not looks or everything(stage) == before, f"one of {commands} wrote to production's server"
    assert not (stage.root / "must-not-run").exists(), "an agent was started"
    return "\n".join(told)


def password_of(stage: Stage) -> str:
    target = stage.production
    found = find_password(target.passfile, host=HOST, port=target.port, user=target.user)
    assert found is not None
    return found


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False
