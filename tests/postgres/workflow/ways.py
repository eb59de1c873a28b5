"""Ways that lead to production's server, or to a copy of it, although the settings call it test."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql
from tests.postgres.workflow.stage import Stage

from ringfence import process
from ringfence.engines import ports
from ringfence.engines.embedded import HOST
from ringfence.postgres.target import PassEntry, add_passwords, find_password

PGBOUNCER = shutil.which("pgbouncer", path=process.SYSTEM_PATH)


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where the settings will say that the test server is. ``name`` is its database there, None for the usual one."""

    host: str
    port: int
    name: str | None = None
    written: str | None = None
    """The host as the url writes it, where that is not the host itself."""

    def url(self, user: str, database: str) -> str:
        host = self.written or (quote(self.host, safe="") if self.host.startswith("/") else self.host)
        host = f"[{host}]" if ":" in host and not self.written else host
        return f"postgresql://{user}@{host}:{self.port}/{self.name or database}"


Way = Callable[[Stage], contextlib.AbstractContextManager[Door]]


def address(host: str, *, written: str | None = None) -> Way:
    """The same door by another spelling of its address."""

    @contextlib.contextmanager
    def way(stage: Stage) -> Iterator[Door]:
        yield Door(host=host, port=stage.production.port, written=written)

    return way


@contextlib.contextmanager
def unix_socket(stage: Stage) -> Iterator[Door]:
    yield Door(host=_socket_directory(stage), port=_socket_port(stage))


@contextlib.contextmanager
def linked_socket(stage: Stage) -> Iterator[Door]:
    """A directory that is called test and leads to production's socket."""
    with tempfile.TemporaryDirectory() as place:
        link = Path(place) / "test"
        link.symlink_to(_socket_directory(stage))
        yield Door(host=str(link), port=_socket_port(stage))


def _socket_directory(stage: Stage) -> str:
    shared = stage.root.parent / "sockets"
    if shared.is_dir():
        return str(shared)  # what a container has mounted where it keeps its sockets
    return str(stage.value("production", "SHOW unix_socket_directories")).strip('"')


def _socket_port(stage: Stage) -> int:
    return int(str(stage.value("production", "SHOW port")))  # a container's own, not the published one


@contextlib.contextmanager
def relay(stage: Stage) -> Iterator[Door]:
    """A forwarded port, as ssh -L, socat, a load balancer or a published container port make one."""
    with forwarding(stage.production.port) as port:
        yield Door(host=HOST, port=port)


@contextlib.contextmanager
def relay_of_a_relay(stage: Stage) -> Iterator[Door]:
    with forwarding(stage.production.port) as near, forwarding(near) as port:
        yield Door(host="localhost", port=port)


@contextlib.contextmanager
def forwarding(to: int, *, host: str = HOST, at: int = 0, answers: int | None = None) -> Iterator[int]:
    """A port that leads to another one; nobody listens at it any more after ``answers`` sessions."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for _ in itertools.repeat(None) if answers is None else range(answers):
                near = stack.enter_context(listener.accept()[0])
                far = stack.enter_context(socket.create_connection((HOST, to)))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()
            listener.close()
            until_closed.wait()

    until_closed = threading.Event()
    with socket.create_server((host, at)) as listener:
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield int(listener.getsockname()[1])
        until_closed.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        serving.join(10)


def pooler(mode: str, *, alias: bool = False) -> Way:
    """A real pgbouncer in front of production; with ``alias`` the test database's name leads to production's."""

    @contextlib.contextmanager
    def way(stage: Stage) -> Iterator[Door]:
        assert PGBOUNCER is not None
        place = Path(tempfile.mkdtemp(prefix="ringfence-pooler-"))
        account = process.account("postgres") if os.geteuid() == 0 else None
        port, production, test = ports.free_port(), stage.production, stage.test
        password = find_password(test.passfile, host=HOST, port=stage.project.settings.test.db_port, user=test.user)
        admin = find_password(production.passfile, host=HOST, port=production.port, user=production.user)
        (place / "users").write_text(f'"{test.user}" "{password}"\n"{production.user}" "{admin}"\n')
        there = f"host={HOST} port={production.port}"
        names = f"* = {there}\n" + (f"{test.database} = {there} dbname={production.database}\n" if alias else "")
        (place / "ini").write_text(
            f"[databases]\n{names}[pgbouncer]\nlisten_addr = {HOST}\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {place}/users\npool_mode = {mode}\n"
            f"logfile = {place}/log\npidfile = {place}/pid\nignore_startup_parameters = extra_float_digits\n"
        )
        words = [PGBOUNCER, "-q", str(place / "ini")]
        if account:
            for path in (place, place / "users", place / "ini"):
                os.chown(path, account.uid, account.gid)
        child = subprocess.Popen(
            words,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=account.uid if account else None,
            group=account.gid if account else None,
        )
        try:
            _wait_for_port(port)
            yield Door(host=HOST, port=port)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(10)
            shutil.rmtree(place, ignore_errors=True)

    return way


def _wait_for_port(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on {port}")


def statements(*said: str, undo: tuple[str, ...] = (), name: str | None = None) -> Way:
    """What a superuser of production's server did; ``{test}``, ``{production}``, ``{role}`` are put in."""

    @contextlib.contextmanager
    def way(stage: Stage) -> Iterator[Door]:
        words = {"test": stage.test.database, "production": stage.production.database, "role": stage.test.user}
        words["project"] = stage.project.name
        stage.run("production", *(s.format(**words) for s in said), database="postgres")
        try:
            yield Door(host=HOST, port=stage.production.port, name=name.format(**words) if name else None)
        finally:
            stage.run("production", *(s.format(**words) for s in undo), database="postgres")

    return way


def clone(*, restamped: bool = False, standby: bool = False, promoted: bool = False) -> Way:
    """A copy of production's files that runs as a server of its own: same system identifier, same everything."""

    @contextlib.contextmanager
    def way(stage: Stage) -> Iterator[Door]:
        source = Path(stage.project.engine("production").evidence().storage[0].path)
        account = process.account("postgres") if os.geteuid() == 0 else None
        place = Path(tempfile.mkdtemp(prefix="ringfence-clone-"))
        place.chmod(0o711)
        data, port = place / "data", ports.free_port()
        target, programs = stage.production, stage.project.programs[0]
        try:
            copy_files(target.conninfo(), source, data)
            (data / "ringfence.conf").write_text("")
            own = f"port = {port}\nlisten_addresses = '{HOST}'\nunix_socket_directories = ''\nfsync = off\n"
            own += "max_locks_per_transaction = 256\n"  # a standby's must not be below its primary's
            (data / "postgresql.auto.conf").write_text(own)
            if standby:
                (data / "standby.signal").touch()
            if account:
                for path in (place, *place.rglob("*")):
                    os.chown(path, account.uid, account.gid)
            words = [programs.path("pg_ctl"), "-D", data, "-w", "-s", "-t", "60", "-l", place / "log"]
            try:
                process.run([*words, "start"], timeout_s=90, run_as=account, cwd=place)
            except process.ProgramError as error:
                raise AssertionError((place / "log").read_text()[-3000:]) from error
            try:
                if promoted:
                    process.run([*words, "promote"], timeout_s=90, run_as=account, cwd=place)
                if restamped:
                    _restamp(stage, port)
                yield Door(host=HOST, port=port)
            finally:
                process.run([*words, "-m", "immediate", "stop"], timeout_s=90, run_as=account, cwd=place)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    return way


def copy_files(conninfo: str, source: Path, data: Path) -> None:
    """As an online backup by hand does it: between pg_backup_start and pg_backup_stop."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        new = connection.info.server_version >= 150000
        begin = "pg_backup_start('clone', true)" if new else "pg_start_backup('clone', true, false)"
        end = "pg_backup_stop(false)" if new else "pg_stop_backup(false, false)"
        connection.execute(f"SELECT {begin}".encode())
        ignore = shutil.ignore_patterns("postmaster.pid", "postmaster.opts", "pg_replslot")
        shutil.copytree(source, data, ignore=ignore, dirs_exist_ok=True)
        for path in (data, *data.rglob("*")):  # whose they were
            if os.geteuid() == 0:
                owner = source.stat()
                os.chown(path, owner.st_uid, owner.st_gid)
        row = connection.execute(f"SELECT labelfile FROM {end}".encode()).fetchone()
        connection.execute("SELECT pg_switch_wal()")
    assert row is not None
    (data / "pg_replslot").mkdir(exist_ok=True)
    (data / "backup_label").write_text(row[0])
    for segment in (source / "pg_wal").iterdir():
        if segment.is_file():
            shutil.copy2(segment, data / "pg_wal" / segment.name)


def _restamp(stage: Stage, port: int) -> None:
    """Everything says test: the database's name and its stamp."""
    password = find_password(
        stage.production.passfile, host=HOST, port=stage.production.port, user=stage.production.user
    )
    admin = psycopg.connect(
        host=HOST, port=port, user=stage.production.user, password=password, dbname="postgres", autocommit=True
    )
    with contextlib.closing(admin):
        names = sql.Identifier(stage.production.database), sql.Identifier(stage.test.database)
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (stage.test.database,)).fetchone():
            admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))
        for key, value in (("environment", "test"), ("project", stage.project.name)):
            admin.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    names[1], sql.SQL(f"ringfence.{key}"), sql.Literal(value)
                )
            )


def let_in(stage: Stage, door: Door) -> None:
    """The password of the test role for this door, as a person who was fooled would write it down."""
    test = stage.test
    password = find_password(test.passfile, host=HOST, port=stage.project.settings.test.db_port, user=test.user)
    assert password is not None
    add_passwords(test.passfile, [PassEntry(host=door.host, port=door.port, user=test.user, password=password)])
