"""One run at a time per production server: a file lock on this machine, an advisory lock on the server for all others.

Anybody who can connect may take any advisory lock, the application's role too. So a lock that is held by something else
than a run of this tool does not block: the next key of a short series is tried, in the same order by everybody, until
one is free or is held by a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from collections.abc import Iterator
from dataclasses import replace

from ringfence import files
from ringfence.errors import BusyError
from ringfence.journal import reader
from ringfence.journal.replay import standing_in_the_way
from ringfence.postgres import identity, queries
from ringfence.postgres.connection import ConnectError, Connection, connect
from ringfence.redact import one_line
from ringfence.workflow.project import Project

_KEYS = 8
_APPLICATION = "ringfence run"


@contextlib.contextmanager
def only_run(project: Project, purpose: str) -> Iterator[None]:
    """Hold both locks for as long as the block runs; BusyError (4) at once where another run has one."""
    with files.lock(project.paths.lock_file, purpose=purpose), _server_lock(project, purpose):
        yield


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


@contextlib.contextmanager
def _server_lock(project: Project, purpose: str) -> Iterator[None]:
    application = f"{_APPLICATION} {socket.gethostname()[:20]}:{os.getpid()}"[:63]
    target = replace(project.target("production"), application=application)
    try:
        opened = connect(target)
        connection = opened.__enter__()
    except ConnectError:
        # Nobody can write to a server that does not answer; whoever needs it says so in its own words.
        yield
        return
    with contextlib.ExitStack() as stack:
        stack.push(opened)
        _take(connection, target.user, purpose)
        yield


def _take(connection: Connection, admin: str, purpose: str) -> None:
    here = identity.read_identity(connection)
    for number in range(_KEYS):
        key = _key(here.system_identifier, here.database_oid, number)
        row = connection.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", (key,)).fetchone()
        if row and row[0]:
            return
        holder = connection.execute(
            queries.load("ringfence.workflow", "lock_holder"), {"high": key >> 32, "low": key & 0xFFFFFFFF}
        ).fetchone()
        if holder and holder[1] == admin and str(holder[2]).startswith(_APPLICATION):
            raise BusyError(
                f"another run holds production: {one_line(str(holder[2]))}, server process {holder[0]}",
                hint="wait for it to end; a run whose process has died lets go by itself",
            )
    raise BusyError(
        f"all {_KEYS} lock keys on production are held by sessions that are no run; cannot begin {purpose}",
        hint="look at pg_locks on production: somebody keeps runs from starting",
    )


def _key(system_identifier: str, database_oid: int, number: int) -> int:
    digest = hashlib.sha256(f"ringfence {system_identifier} {database_oid} {number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 2
