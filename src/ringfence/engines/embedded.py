"""The engine ``embedded``: a PostgreSQL server of one's own on this machine, from binaries that are already here.

It listens on 127.0.0.1 only and has no Unix socket at all, so that there is one door and that door asks for a SCRAM
password. Data checksums are on. ``initdb`` works in a staging directory that is renamed when it is whole.
"""

from __future__ import annotations

import os
import pwd
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ringfence import files, process
from ringfence.engines import account as accounts
from ringfence.engines import cluster, ports
from ringfence.engines.contract import Agree, Containment, Recognize, anyone, nobody
from ringfence.engines.directory import place_of
from ringfence.engines.model import (
    EngineKind,
    EngineStatus,
    EnvironmentName,
    Evidence,
    Listening,
    Place,
    Started,
    Storage,
)
from ringfence.errors import EngineError, IdentityError
from ringfence.postgres import programs as program_sets
from ringfence.postgres import queries
from ringfence.postgres import target as targets
from ringfence.postgres.connection import ConnectError, connect
from ringfence.postgres.identity import Identity, read_identity
from ringfence.postgres.programs import Programs
from ringfence.postgres.target import PassEntry, Target
from ringfence.process import Account, ProgramError
from ringfence.wording import counted

HOST = "127.0.0.1"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True)
class EmbeddedEngine:
    """One environment's server. ``superuser`` is the cluster's bootstrap role: the admin role of production, the test
    role of test. ``containment`` keeps the server in; production, which nobody is kept from, has none. What
    is ``disposable`` may be lost by a power failure, as the test server's may."""

    kind: ClassVar[EngineKind] = "embedded"

    project: str
    environment: EnvironmentName
    base: Path
    port: int
    superuser: str
    passfile: Path
    available: Sequence[Programs]
    containment: Containment | None = None
    disposable: bool = False

    def target(self, database: str = "postgres", user: str | None = None) -> Target:
        """Where the server's bootstrap role (or ``user``) connects."""
        return Target(host=HOST, port=self.port, database=database, user=user or self.superuser, passfile=self.passfile)

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.base / "data"

    def status(self) -> EngineStatus:
        """Read from the files of the server; nothing is started and nobody connects."""
        version = cluster.data_version(self.data)
        running = cluster.read_postmaster(self.data) if version else None
        live = running if running and cluster.is_live(running, self.data) else None
        note = f"it listens on port {live.port}, not on {self.port}" if live and live.port != self.port else None
        if note is None and live and not self._is_held(live):
            note = (
                f"not contained: a superuser of it reaches what its account reaches; 'ringfence up {self.environment}'"
            )
        return EngineStatus(
            environment=self.environment,
            engine="embedded",
            state="absent" if version is None else "running" if live else "stopped",
            host=HOST,
            port=live.port if live else self.port,
            pid=live.pid if live else None,
            server_version=str(version) if version else None,
            data_directory=self.data if version else None,
            note=note,
        )

    def start(self, agree: Agree = nobody, recognize: Recognize = anyone) -> Started:
        """Make the server where there is none, start it where it does not run, and prove that it is the one meant.

        Raises EngineError with what to do: no binaries, port in use, a foreign or stale process, a damaged directory.
        """
        base_account = accounts.server_account(self.environment)
        accounts.make_above(self.base, base_account)
        lock_file = self.base.parent / f".{self.environment}.lock"
        with files.lock(lock_file, purpose=f"starting {self.environment}"):
            base = accounts.make_base(self.base, base_account)
            version = cluster.data_version(base / "data")
            if version is not None:
                recognize(cluster.system_identifier(base / "data"))
            programs = accounts.reachable_programs(program_sets.choose(self.available, major=version), base_account)
            live = self._live(base)
            created = version is None
            notes: tuple[str, ...] = ()
            if live is not None and not self._is_held(live):
                live, notes = self._take_in(live)
            if live is None:
                self._require_port()
                if created:
                    self._create(base, programs, base_account)
                notes = (*notes, *self._launch(base, programs, base_account))
            self._prove(base)
        if created:
            notes = (f"made a PostgreSQL {programs.major}.{programs.minor} server in {base}", *notes)
        return Started(created=created, started=live is None, notes=notes)

    def stop(self) -> bool:
        """Stop the server (fast: open transactions are rolled back). False when it did not run."""
        if cluster.data_version(self.data) is None:
            return False
        base_account = accounts.server_account(self.environment)
        base = self.base.resolve()
        running = cluster.read_postmaster(base / "data")
        if running is None or not cluster.is_live(running, base / "data"):
            return False
        programs = accounts.reachable_programs(
            program_sets.choose(self.available, major=cluster.data_version(base / "data")), base_account
        )
        try:
            process.run(
                [
                    programs.path("pg_ctl"),
                    "-D",
                    cluster.shell_path(base, "data"),
                    "-m",
                    "fast",
                    "-w",
                    "-t",
                    str(STOP_TIMEOUT_S),
                    "-s",
                    "stop",
                ],
                timeout_s=STOP_TIMEOUT_S + 10,
                run_as=base_account,
                cwd=base,
            )
        except ProgramError as error:
            raise EngineError(
                f"{self.environment} did not stop: {error.message}", hint=f"the server's log is {base / 'server.log'}"
            ) from error
        return True

    def clients(self, server_version_num: int) -> Programs:
        """Programs of this machine: they reach the server as this process does."""
        return program_sets.choose_client(self.available, server_major=server_version_num // 10000)

    def place(self, identity: Identity) -> Place | None:
        """The data directory that the server names, by its own control file."""
        return place_of(identity)

    def evidence(self) -> Evidence:
        """The directories of the server with device and inode, its port, its account."""
        unknown: list[str] = []
        base_account = accounts.server_account(self.environment)
        live = self.status()
        if live.state != "running":
            unknown.append(f"{self.environment} does not run, so where it listens cannot be seen")
        return Evidence(
            environment=self.environment,
            kind="embedded",
            machine=os.uname().nodename,
            listens=(Listening(host=HOST, port=live.port),) if live.state == "running" else (),
            storage=tuple(_storage(directory, unknown) for directory in cluster.directories(self.data)),
            account=base_account.name if base_account else pwd.getpwuid(os.geteuid()).pw_name,
            contained_by=self.containment.holding(live.pid) if self.containment and live.pid else None,
            unknown=tuple(unknown),
        )

    def _live(self, base: Path) -> cluster.Postmaster | None:
        running = cluster.read_postmaster(base / "data")
        if running is None or not cluster.is_live(running, base / "data"):
            if running and cluster.is_doubtful(running):
                raise EngineError(
                    f"{base / 'data' / 'postmaster.pid'} names process {process.describe(running.pid)}, "
                    "which is alive and cannot be told from a server of this directory",
                    hint="if that process is no PostgreSQL server of this directory, remove the file and try again",
                )
            return None
        if running.port != self.port:
            raise EngineError(
                f"{self.environment} is running on port {running.port}, but ringfence.toml says {self.port}",
                hint=f"'ringfence down {self.environment}', then 'ringfence up' starts it on {self.port}",
            )
        return running

    def _require_port(self) -> None:
        if ports.is_free(self.port, HOST):
            return
        who = ports.listener(self.port)
        raise EngineError(
            f"port {self.port} of {self.environment} is in use" + (f" by process {who}" if who else ""),
            hint=f"stop that process, or give {self.environment} another db_port in ringfence.toml",
        )

    def _create(self, base: Path, programs: Programs, base_account: Account | None) -> None:
        password = secrets.token_urlsafe(24)
        # The password is on disk before the server is: a server that nobody can enter would be of no use.
        targets.add_passwords(
            self.passfile,
            [PassEntry(host=h, port=self.port, user=self.superuser, password=password) for h in (HOST, "localhost")],
        )
        cluster.clear_leftovers(base)
        staged = base / f"data.partial-{secrets.token_hex(4)}"
        cluster.initdb(
            programs,
            staged,
            superuser=self.superuser,
            password=password,
            run_as=base_account,
            disposable=self.disposable or self.environment == "test",
        )
        staged.rename(base / "data")
        files.fsync_directory(base)

    def settings(self) -> dict[str, str]:
        """What this version of the engine gives its server, by name."""
        return cluster.server_settings(
            project=self.project,
            environment=self.environment,
            port=self.port,
            host=HOST,
            disposable=self.disposable,
        )

    def _launch(self, base: Path, programs: Programs, base_account: Account | None) -> tuple[str, ...]:
        before = cluster.configured_port(base / "data")
        if before is not None and before != self.port:
            targets.repeat_passwords(self.passfile, from_port=before, to_port=self.port)
        cluster.write_settings(
            base / "data",
            self.settings(),
            owner=base_account,
        )
        crashed = cluster.was_not_shut_down(base / "data")
        cluster.clear_stale_pid_file(base / "data")
        log = base / "server.log"
        words, notes = self._contain(base, programs, base_account)
        where, start_log = cluster.shell_path(base, "data"), cluster.shell_path(base, log.name)
        command = (programs.path("pg_ctl"), "-D", where, "-w", "-t", str(START_TIMEOUT_S), "-s", "-l", start_log)
        try:
            process.run(
                [*words, *command, "start"],
                timeout_s=START_TIMEOUT_S + 10,
                run_as=None if words else base_account,
                cwd=base,
            )
        except ProgramError as error:
            raise EngineError(
                f"{self.environment} did not start: {error.message}; its log ends: {cluster.log_tail(log)}",
                hint=f"the whole log is {log}{self._if_damaged(base)}",
            ) from error
        recovered = ("it was not shut down cleanly last time; PostgreSQL recovered it",) if crashed else ()
        return (*recovered, *notes)

    def _if_damaged(self, base: Path) -> str:
        """The test server waits for no disk; a power failure may leave nothing that can be started."""
        if self.environment != "test":
            return ""
        return f". Test data are disposable: if it says that files are damaged, remove {base}; 'up' makes it anew"

    def _contain(
        self, base: Path, programs: Programs, account: Account | None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The words that keep the server in, and what there is to say about it."""
        if self.containment is None:
            return (), ()
        found = self.containment.line(base=base, programs=programs.directory, account=account)
        if isinstance(found, str):
            return (), (f"NOT CONTAINED: a superuser of it can reach what its account can reach ({found})",)
        return found, ()

    def _is_held(self, live: cluster.Postmaster) -> bool:
        return self.containment is None or self.containment.holding(live.pid) is not None

    def _take_in(self, live: cluster.Postmaster) -> tuple[cluster.Postmaster | None, tuple[str, ...]]:
        """A server that runs uncontained (an earlier version started it) is stopped where nobody uses it."""
        try:
            with connect(self.target()) as connection:
                row = connection.execute(queries.load("ringfence.engines", "other_clients")).fetchone()
        except ConnectError as error:
            return live, (f"it runs without containment, and was not restarted: {error.message}",)
        others = int(row[0]) if row else 0
        if others:
            rest = "end them, then 'ringfence down test' and 'ringfence up test'"
            used = f"{counted(others, 'session uses', 'sessions use')} it"
            return live, (f"it runs without containment; {used}, so it was not restarted: {rest}",)
        self.stop()
        return None, ("it ran without containment and was restarted",)

    def _prove(self, base: Path) -> None:
        # That something answers on the port is not enough: it must be the server of this directory.
        try:
            with connect(self.target()) as connection:
                identity = read_identity(connection)
        except ConnectError as error:
            hint = error.hint
            if "password" in error.message and self.environment == "test":
                hint = (
                    f"somebody changed the password of {self.superuser}, or {self.passfile} was lost. Test data are "
                    f"disposable: 'ringfence down test', remove {base}, and 'ringfence up' makes the server anew"
                )
            raise EngineError(error.message, hint=hint) from error
        if identity.data_directory is None or Path(identity.data_directory).resolve() != (base / "data").resolve():
            raise IdentityError(
                f"port {self.port} is answered by a server of {identity.data_directory}, not of {base / 'data'}",
                hint=f"stop that server, or give {self.environment} another db_port in ringfence.toml",
            )


def _storage(directory: Path, unknown: list[str]) -> Storage:
    try:
        info = directory.stat()
    except OSError as error:
        unknown.append(f"{directory} cannot be looked at: {error.strerror}")
        return Storage(path=str(directory), device=None, inode=None)
    return Storage(path=str(directory.resolve()), device=info.st_dev, inode=info.st_ino)
