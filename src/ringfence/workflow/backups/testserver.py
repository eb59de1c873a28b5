"""The test server as the workflow works on it: proven to be the test server first, its own databases told from others.

Besides the test database the tool keeps databases of its own there: the reference, the copy that is being made, and the
one that was just replaced. They are found by their stamp, never by their name, so that a database that somebody else
gave such a name is left alone.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Literal

from psycopg import sql

from ringfence import clock
from ringfence.engines.model import EnvironmentName
from ringfence.errors import BusyError, IdentityError
from ringfence.integrity.model import Observation
from ringfence.postgres import databases, identity, queries
from ringfence.postgres.connection import Connection, one_value
from ringfence.workflow import proven
from ringfence.workflow.project import Project

Purpose = Literal["reference", "incoming", "replaced", "restoring", "damaged"]
"""The last two are on production's server: what a restore makes, and what it puts aside."""

TURN_WAIT_S = 60
_TURN = 0x52696E6766656E63  # "Ringfenc": one advisory lock for all that makes databases on a test server


@contextlib.contextmanager
def admin(project: Project, before: Observation) -> Iterator[Connection]:
    """A writing session of the test server, outside the databases concerned; ``before`` is the baseline of production.

    Refuses (7) unless this is the test server on record, another than production's, and the database there is stamped
    as test. A test database that is not there at all has no stamp to ask for; the record then stands alone.
    """
    with proven.session("test", project.engine("test").target("postgres"), read_only=False) as connection:
        here = identity.read_identity(connection)
        if here.system_identifier == before.identity.system_identifier:
            raise IdentityError(
                f"the test server is the server the backup was taken from, or a copy of its files ({here.describe()})",
                hint="check db_port of [test] in ringfence.toml",
            )
        proven.require_test_server(project, connection)
        _take_turn(connection)
        yield connection


def _take_turn(connection: Connection) -> None:
    """Wait until nobody else makes databases here: two at once would take each other's for leftovers."""
    deadline = clock.monotonic_s() + TURN_WAIT_S
    while not one_value(connection, sql.SQL("SELECT pg_catalog.pg_try_advisory_lock(%s)"), (_TURN,)):
        if clock.monotonic_s() >= deadline:
            raise BusyError(
                f"another process has been making databases on the test server for {TURN_WAIT_S} s and more",
                hint="wait for it to end, and look for a session of the tool in pg_stat_activity there",
            )
        clock.pause(0.1)


def own(connection: Connection, project: Project, purpose: Purpose) -> tuple[str, ...]:
    """The databases that the tool made on this server for a purpose, by their stamp, oldest first."""
    rows = connection.execute(
        queries.load("ringfence.postgres", "stamped"), {"environment": purpose, "project": project.name}
    ).fetchall()
    return tuple(r[0] for r in rows)


def new_name(
    connection: Connection, project: Project, purpose: Purpose, *, environment: EnvironmentName = "test"
) -> str:
    """A free database name on an environment's server that says what it is for."""
    database = project.database(environment)
    name = databases.beside(database, purpose)
    while databases.exists(connection, name):
        name = databases.beside(database, f"{purpose}_{secrets.token_hex(3)}")
    return name


def drop_own(connection: Connection, project: Project, purpose: Purpose) -> None:
    """Remove every database that the tool made for a purpose."""
    for name in own(connection, project, purpose):
        databases.drop(connection, name)
