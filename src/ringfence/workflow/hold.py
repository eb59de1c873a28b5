"""One run at a time per production server: a file lock on this machine, an advisory lock on the server for all others.

Anybody who can connect may take any advisory lock, the application's role too. So a lock that is held by something else
than a run of this tool does not block: the next key of a short series is tried, in the same order by everybody, until
one is free or is held by a run.

The lock on the server goes with its session. The server is asked to look after that session every few seconds, so that
a machine that lost its power or its network lets go; and who holds the lock looks whether it is there (`Held.renew`)
before anything depends on it, because a server that was restarted has let go, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import psycopg

from ringfence import files
from ringfence.errors import BusyError
from ringfence.journal import reader
from ringfence.journal.replay import standing_in_the_way
from ringfence.postgres import identity, queries
from ringfence.postgres.connection import ConnectError, Connection, QueryError, connect, error_text
from ringfence.redact import one_line
from ringfence.workflow.project import Project

_KEYS = 8
_APPLICATION = "ringfence run"
_ALIVE = (("tcp_keepalives_idle", "15"), ("tcp_keepalives_interval", "5"), ("tcp_keepalives_count", "3"))
"""In seconds and number: half a minute after its machine is gone, a holder has let go."""


class Held:
    """The lock on production's server, for as long as its session lasts; made by `only_run`."""

    def __init__(self, project: Project, purpose: str) -> None:
        self._project, self._purpose = project, purpose
        self._session: AbstractContextManager[Connection] | None = None
        self._connection: Connection | None = None
        self._key: int | None = None

    def take(self) -> bool:
        """Whether the lock was had. False where no server answers: nobody can write to it, and whoever needs it says so
        in its own words. Raises BusyError (4) where another run has it."""
        application = f"{_APPLICATION} {socket.gethostname()[:20]}:{os.getpid()}"[:63]
        target = replace(self._project.target("production"), application=application)
        try:
            self._session = connect(target)
            self._connection = self._session.__enter__()
        except ConnectError:
            self._session = self._connection = None
            return False
        try:
            for name, value in _ALIVE:
                self._connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
            self._key = _take(self._connection, target.user, self._purpose)
        except psycopg.Error as error:
            raise QueryError(f"{target}: {error_text(error)}") from error
        return True

    def renew(self) -> tuple[str | None, str | None]:
        """Look whether the lock is still held, and take it again where it was lost: what to note, and what is broken.

        The second is a reason not to trust the run: somebody else may have begun one meanwhile.
        """
        if self._is_held():
            return None, None
        lost = "the session that held the lock on production was lost" if self._key is not None else None
        self.let_go()
        try:
            if not self.take():
                return lost, None  # whoever reads production now says that it does not answer
        except BusyError as error:
            return lost, f"{lost or 'the lock on production was not had'}, and {error.message}"
        except (QueryError, psycopg.Error) as error:
            return lost, f"{lost or 'the lock on production was not had'}, and could not be taken again: {error}"
        return (f"{lost} (was its server restarted?); it was taken again" if lost else None), None

    def _is_held(self) -> bool:
        if self._connection is None or self._key is None:
            return False
        try:
            row = self._connection.execute(
                queries.load("ringfence.workflow", "lock_held"), _halves(self._key)
            ).fetchone()
        except psycopg.Error:
            return False
        return bool(row and row[0])

    def let_go(self) -> None:
        """End the session; one that is broken already is no error."""
        session, self._session, self._connection = self._session, None, None
        if session is not None:
            with contextlib.suppress(QueryError):
                session.__exit__(None, None, None)


@contextlib.contextmanager
def only_run(project: Project, purpose: str) -> Iterator[Held]:
    """Hold both locks for as long as the block runs; BusyError (4) at once where another run has one."""
    with files.lock(project.paths.lock_file, purpose=purpose):
        held = Held(project, purpose)
        try:
            held.take()
            yield held
        finally:
            held.let_go()


def require_clear(project: Project) -> None:
    """Refuse (4) while an unfinished run or an unresolved HALT stands in the way of a new one."""
    obstacle = standing_in_the_way(reader.read_runs(project.paths.state_directory))
    if obstacle is not None:
        raise BusyError(obstacle.reason, hint=obstacle.hint)


def require_idle(project: Project, *, why: str) -> None:
    """Refuse (4) what would break a run that is going on at this moment."""
    if files.is_locked(project.paths.lock_file):
        who = files.holder(project.paths.lock_file) or "holder unknown"
        raise BusyError(f"a run is going on: {who}", hint=f"{why}; wait for its end")


def _take(connection: Connection, admin: str, purpose: str) -> int:
    here = identity.read_identity(connection)
    for number in range(_KEYS):
        key = _key(here.system_identifier, here.database_oid, number)
        row = connection.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", (key,)).fetchone()
        if row and row[0]:
            return key
        holder = connection.execute(queries.load("ringfence.workflow", "lock_holder"), _halves(key)).fetchone()
        if holder and holder[1] == admin and str(holder[2]).startswith(_APPLICATION):
            raise BusyError(
                f"another run holds production: {one_line(str(holder[2]))}, server process {holder[0]}",
                hint="wait for it to end; a run whose process has died lets go by itself",
            )
    raise BusyError(
        f"all {_KEYS} lock keys on production are held by sessions that are no run; cannot begin {purpose}",
        hint="look at pg_locks on production: somebody keeps runs from starting",
    )


def _halves(key: int) -> dict[str, int]:
    """A key as pg_locks shows it."""
    return {"high": key >> 32, "low": key & 0xFFFFFFFF}


def _key(system_identifier: str, database_oid: int, number: int) -> int:
    digest = hashlib.sha256(f"ringfence {system_identifier} {database_oid} {number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 2
