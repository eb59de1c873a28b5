"""Where to connect: one host, one port, one database, one role, and a password file. No URL is ever parsed for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg.conninfo import make_conninfo

from ringfence import files
from ringfence.errors import ConfigError
from ringfence.redact import one_line

SILENT = "-c event_triggers=off"
"""Keeps login event triggers (17+) from running in sessions of the tool, where the role may say so (superusers)."""
_SILENCED: set[tuple[str, int, str]] = set()
_PINNED: dict[tuple[str, int], str] = {}
"""The address behind a name, once it answered: a name that leads to several servers leads to one from then on."""
_LIBPQ_ENVIRONMENT = {"PGSERVICEFILE": os.devnull, "PGSYSCONFDIR": os.devnull}


@dataclass(frozen=True, kw_only=True)
class Target:
    """One database as one role sees it.

    The password is not here: libpq reads it from ``passfile`` (its own pgpass format), so that it stands neither in
    an argument list nor in an environment, where other processes could read it. ``parameters`` say how to connect (TLS,
    timeouts), never where: they come from a URL whose parameters were checked by name.
    """

    host: str
    port: int
    database: str
    user: str
    passfile: Path
    application: str = "ringfence"
    parameters: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what libpq would take for several hosts, or for none and so for a default of its own."""
        if not self.host or any(c in self.host for c in ",\0"):
            raise ConfigError(
                f"host {one_line(self.host)!r} is not exactly one host",
                hint="libpq would go on to the next host of a list: name the one server that is meant",
            )
        if not 1 <= self.port <= 65535:
            raise ConfigError(f"{self.port} is not a port; ports are 1 to 65535")
        if not self.database or not self.user:
            raise ConfigError(f"a database and a role are needed: {one_line(str(self))}")

    def on(self, database: str) -> Target:
        """The same server and role, another database."""
        return replace(self, database=database)

    def conninfo(self) -> str:
        """A libpq connection string; every parameter that an environment variable could fill in is named."""
        how = {"connect_timeout": "10", "sslmode": "prefer", **dict(self.parameters)}
        return make_conninfo(
            "",
            host=self.host,
            hostaddr=self.pinned,
            port=self.port,
            dbname=self.database,
            user=self.user,
            passfile=str(self.passfile),
            application_name=self.application,
            client_encoding="UTF8",
            target_session_attrs="any",
            options=SILENT if self.door in _SILENCED else None,
            **how,
        )

    @property
    def door(self) -> tuple[str, int, str]:
        """Where and as whom: what a server allows at login depends on nothing else."""
        return self.host, self.port, self.user

    @property
    def pinned(self) -> str | None:
        """The one address that this name stands for in this process; None before the first session."""
        return _PINNED.get((self.host, self.port))

    @property
    def address(self) -> str:
        """``db.example:5432``, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.address}/{self.database} as {self.user}"


def pin(target: Target, address: str) -> None:
    """From here on the target's name stands for this address, for programs that this process starts, too.

    A name with several addresses would lead each connection wherever the first one answers: what was proven of one
    server would be done to another.
    """
    if not target.host.startswith("/"):
        _PINNED.setdefault((target.host, target.port), address)


def silence(target: Target) -> None:
    """From here on every session of this process at this door, those of pg_dump too, is opened with `SILENT`."""
    _SILENCED.add(target.door)


def remove_libpq_environment() -> None:
    """Take every ``PG*`` variable out of this process.

    libpq fills whatever a connection string leaves open from them: ``PGHOSTADDR`` alone leads a connection to another
    machine than the one that is named, ``PGOPTIONS`` changes the search path, ``PGSERVICE`` everything.
    """
    for name in [n for n in os.environ if n.startswith("PG") and os.environ.get(n) != _LIBPQ_ENVIRONMENT.get(n)]:
        with contextlib.suppress(KeyError):  # another thread, which connects too, was faster
            del os.environ[name]
    for name, value in _LIBPQ_ENVIRONMENT.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


@dataclass(frozen=True, kw_only=True)
class PassEntry:
    """One line of a pgpass file: the password of a role at an address, for every database there unless one is named."""

    host: str
    port: int
    user: str
    password: str
    database: str = "*"

    def line(self) -> str:
        """The line in libpq's format; ``:`` and ``\\`` are escaped. Raises ConfigError for what no line can hold."""
        if any(c in field for field in (self.host, self.user, self.password) for c in "\n\r\0"):
            raise ConfigError("a pgpass file cannot hold a host, role or password with a line break or NUL")
        database = "*" if self.database == "*" else _escape(self.database)
        return ":".join((_escape(self.host), str(self.port), database, _escape(self.user), _escape(self.password)))


def read_passfile(path: Path) -> list[PassEntry]:
    """The entries of a pgpass file that this tool wrote; an absent file has none. Raises ConfigError when torn."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error.reason} at byte {error.start}", hint="repair it") from error
    entries = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        fields = _split(line)
        if "*" in (wild := _split(line.replace("\\*", "named so")))[:2] or wild[3:4] == ["*"]:
            raise ConfigError(
                f"{path}: line {number} has a * for a host, port or role",
                hint="write them out: with a * one server's password would be sent to another",
            )
        if len(fields) != 5 or not fields[1].isdigit():
            raise ConfigError(
                f"{path}: line {number} is not host:port:database:user:password", hint="repair or remove the line"
            )
        entries.append(
            PassEntry(host=fields[0], port=int(fields[1]), database=fields[2], user=fields[3], password=fields[4])
        )
    return entries


def find_password(path: Path, *, host: str, port: int, user: str) -> str | None:
    """The password that libpq would use for this role at this address."""
    for entry in read_passfile(path):
        if (entry.host, entry.port, entry.user) == (host, port, user):
            return entry.password
    return None


def repeat_passwords(path: Path, *, from_port: int, to_port: int) -> None:
    """Write the entries of a port once more for another one: the same server listens there from now on."""
    entries = [e for e in read_passfile(path) if e.port == from_port]
    if entries:
        add_passwords(path, [replace(e, port=to_port) for e in entries])


def add_passwords(path: Path, entries: Iterable[PassEntry]) -> None:
    """Add or replace entries, keep all others, 0600 in a 0700 directory, the file whole at every moment."""
    files.ensure_private_directory(path.parent)
    new = list(entries)
    replaced = {(e.host, e.port, e.user) for e in new}
    with files.lock(path.with_name(f".{path.name}.lock"), purpose="writing passwords", wait_s=30):
        kept = [e for e in read_passfile(path) if (e.host, e.port, e.user) not in replaced]
        lines = ["# written by ringfence: the passwords it generated; agents must not be able to read this file"]
        lines += [e.line() for e in (*kept, *new)]
        files.write_atomic(path, ("\n".join(lines) + "\n").encode(), mode=0o600)


def _escape(field: str) -> str:
    return "\\*" if field == "*" else field.replace("\\", "\\\\").replace(":", "\\:")


def _split(line: str) -> list[str]:
    fields: list[str] = []
    field, escaped = "", False
    for char in line:
        if escaped:
            field, escaped = field + char, False
        elif char == "\\":
            escaped = True
        elif char == ":" and len(fields) < 4:
            fields.append(field)
            field = ""
        else:
            field += char
    return [*fields, field]
