"""The engine ``server``: a PostgreSQL server that exists already, wherever it is. Nothing is started, stopped or made.

What other engines see from outside (directories, containers, accounts) is mostly hidden here. It is named as unknown,
and what its administrator's role may not read is named too: what was not looked at is never taken for unchanged.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from ringfence.engines.contract import Agree, Recognize, anyone, nobody
from ringfence.engines.directory import place_of, storage_of
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
from ringfence.postgres import capability
from ringfence.postgres import programs as program_sets
from ringfence.postgres.connection import ConnectError, QueryError, connect
from ringfence.postgres.identity import Identity, read_identity
from ringfence.postgres.programs import ClientPrograms, Programs
from ringfence.postgres.target import Target

_SYSTEM_ROOTS_MAJOR = 16
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOME_FILES = {
    "sslrootcert": ("root.crt",),
    "sslcrl": ("root.crl",),
    "sslcert": ("postgresql.crt", "postgresql.key"),
    "sslkey": ("postgresql.key", "postgresql.crt"),
}
"""libpq's own places below ``~/.postgresql``: each with the files that must be there for it to be used."""


@dataclass(frozen=True, kw_only=True)
class ServerEngine:
    """One environment's server. ``database`` is the environment's, where production's administrator logs in;
    ``parameters`` are what the URL says about how to connect."""

    kind: ClassVar[EngineKind] = "server"

    environment: EnvironmentName
    host: str
    port: int
    database: str
    superuser: str
    parameters: tuple[tuple[str, str], ...]
    passfile: Path
    clients_available: Sequence[Programs]
    environ: Mapping[str, str]

    def target(self, database: str = "postgres", user: str | None = None) -> Target:
        """Where the administrator (or ``user``) connects: as the URL says, with libpq's own files where it has them."""
        how = {**_home_parameters(self.environ), **dict(self.parameters)}
        if how.get("sslrootcert") == "system":
            how.setdefault("sslmode", "verify-full")  # as libpq does, which takes no weaker one with it
        return Target(
            host=self.host,
            port=self.port,
            database=database,
            user=user or self.superuser,
            passfile=self.passfile,
            parameters=tuple(sorted(how.items())),
        )

    def clients(self, server_version_num: int) -> ClientPrograms:
        """Programs of this machine; ones that speak TLS where the data cross a network."""
        available, server_major = list(self.clients_available), server_version_num // 10000
        if self._wants_tls():
            available = [p for p in available if program_sets.speaks_tls(p)]
            if not available and self.clients_available:
                raise EngineError(
                    f"none of the PostgreSQL programs on this machine can encrypt a connection, and {self.host} is "
                    "reached over a network",
                    hint="install your system's postgresql-client package; or say sslmode=disable in the url, if the "
                    "network is one that nobody else reads",
                )
            if not any(p.major >= server_major for p in available) and self._new_enough(server_major):
                raise EngineError(
                    f"the server is PostgreSQL {server_major} and reached over a network, and the programs here "
                    f"that are new enough for it cannot encrypt a connection: {self._new_enough(server_major)}",
                    hint=f"install the client programs of PostgreSQL {server_major} or newer, built with TLS, as your "
                    "system's packages and those of postgresql.org are",
                )
        if dict(self.target().parameters).get("sslrootcert") == "system":
            available = [p for p in available if p.major >= _SYSTEM_ROOTS_MAJOR]
            if not available:
                raise EngineError(
                    f"sslrootcert=system needs programs of PostgreSQL {_SYSTEM_ROOTS_MAJOR} or newer that can encrypt, "
                    "and this machine has none",
                    hint="name the file of the authorities in the url (Debian: "
                    "sslrootcert=/etc/ssl/certs/ca-certificates.crt)",
                )
        return program_sets.choose_client(available, server_major=server_major)

    def _new_enough(self, server_major: int) -> str:
        return ", ".join(str(p.directory) for p in self.clients_available if p.major >= server_major)

    def status(self) -> EngineStatus:
        """Whether it answers this role; that takes a connection, because nothing else of it can be seen."""
        status = EngineStatus(
            environment=self.environment, engine="server", state="unreachable", host=self.host, port=self.port
        )
        try:
            identity = self._ask()
        except ConnectError as error:
            return replace(status, state="running" if error.answered else "unreachable", note=error.message)
        except QueryError as error:
            return replace(status, state="running", note=error.message)
        return replace(
            status,
            state="running",
            server_version=identity.server_version,
            data_directory=Path(identity.data_directory) if identity.data_directory else None,
            note=None if identity.superuser else _no_superuser(self.superuser),
        )

    def start(self, agree: Agree = nobody, recognize: Recognize = anyone) -> Started:
        """Nothing is started: the server must answer, be of a version that is known, and take writes."""
        try:
            identity = self._ask()
        except ConnectError as error:
            raise EngineError(error.message, hint=self._login_hint(error)) from error
        except QueryError as error:
            raise EngineError(f"the server does not say what it is: {error.message}", hint=error.hint) from error
        recognize(identity.system_identifier)
        if not capability.is_supported(identity.server_version_num):
            raise EngineError(
                f"{self.host}:{self.port} is PostgreSQL {identity.server_version}; "
                f"{capability.OLDEST_MAJOR} to {capability.NEWEST_MAJOR} are supported"
            )
        if identity.in_recovery:
            raise IdentityError(
                f"{self.host}:{self.port} is a standby, which takes no writes",
                hint=f"name the primary in the url of [{self.environment}]",
            )
        if self.environment == "test" and not identity.superuser:
            raise EngineError(
                f"role {self.superuser} is no superuser of the test server; a reseed restores owners, roles and rights",
                hint=f'ALTER ROLE {self.superuser} SUPERUSER, or a test server of your own: engine = "embedded"',
            )
        return Started(created=False, started=False)

    def stop(self) -> bool:
        """The server is not this tool's: it goes on."""
        return False

    def place(self, identity: Identity) -> Place | None:
        """The data directory, where the server is on this machine and it can be looked at."""
        return place_of(identity) if self._is_local() else None

    def evidence(self) -> Evidence:
        """The addresses its name leads to; its directory, where it is on this machine and that can be shown."""
        unknown: list[str] = []
        storage: tuple[Storage, ...] = ()
        local = self._is_local()
        try:
            identity = self._ask()
        except (ConnectError, QueryError) as error:
            unknown.append(f"the server could not be asked: {error.message}")
        else:
            storage = storage_of(identity, local, unknown)
        unknown.append(
            f"what else listens for, mounts or runs beside the server at {self.host} cannot be seen from here"
        )
        return Evidence(
            environment=self.environment,
            kind="server",
            machine=os.uname().nodename if local else None,
            listens=self._addresses(unknown),
            storage=storage,
            unknown=tuple(unknown),
        )

    def _ask(self) -> Identity:
        # Production's administrator may have no business in another database; test's makes databases from outside.
        database = self.database if self.environment == "production" else "postgres"
        with connect(self.target(database)) as connection:
            return read_identity(connection)

    def _is_local(self) -> bool:
        return self.host in LOOPBACK or self.host.startswith("/")

    def _wants_tls(self) -> bool:
        mode = dict(self.target().parameters).get("sslmode", "prefer")
        return mode in ("require", "verify-ca", "verify-full") or (mode != "disable" and not self._is_local())

    def _addresses(self, unknown: list[str]) -> tuple[Listening, ...]:
        found = {Listening(host=self.host, port=self.port)}
        if not self.host.startswith("/"):
            try:
                for *_, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
                    found.add(Listening(host=str(address[0]), port=self.port))
            except OSError as error:
                unknown.append(f"the name {self.host} leads to no address: {error.strerror or error}")
        return tuple(sorted(found))

    def _login_hint(self, error: ConnectError) -> str | None:
        if "password" not in error.message:
            return error.hint
        own = Path(self.environ.get("HOME", "/nonexistent"), ".pgpass")
        unread = f" ({own} is not read: it opens more than this project)" if own.exists() else ""
        return (
            f"put the line {self.host.replace(':', chr(92) + ':')}:{self.port}:*:{self.superuser}:PASSWORD into "
            f"{self.passfile} (mode 0600); a : or \\ in the password is written with a \\ before it{unread}"
        )


def _no_superuser(role: str) -> str:
    return (
        f"role {role} is no superuser: what it may not read of the server (settings, password hashes, other databases) "
        "is not compared; 'ringfence verify' lists it"
    )


def _home_parameters(environ: Mapping[str, str]) -> dict[str, str]:
    """Certificates in libpq's own place: named, because programs that the tool starts have no home directory."""
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        return {}
    place = Path(home) / ".postgresql"
    return {
        name: str(place / files[0]) for name, files in _HOME_FILES.items() if all((place / f).is_file() for f in files)
    }
