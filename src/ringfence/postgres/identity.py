"""Identity and stamp: what the server says it is, and what was written into the database about its purpose.

A URL, a name or a port proves nothing: ``localhost``, ``127.0.0.1``, a socket, a DNS alias and a pooler may all be the
same server, and a file-level copy has the same system identifier. So the question is asked of the server, through the
connection that will be used, and two servers are told apart by a lock that only one of them can show.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import psycopg
from psycopg import sql

from ringfence.errors import IdentityError
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection
from ringfence.redact import one_line

PACKAGE = "ringfence.postgres"
ENVIRONMENT = "ringfence.environment"
PROJECT = "ringfence.project"
BASELINE = "ringfence.baseline"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a server says of itself and of the database of the connection."""

    system_identifier: str
    database_oid: int
    database: str
    server_version_num: int
    server_version: str
    timeline: int
    data_directory: str | None
    in_recovery: bool
    superuser: bool

    def describe(self) -> str:
        """``system 7423…, database "x" (oid 16384), PostgreSQL 18.4``"""
        return (
            f'system {self.system_identifier}, database "{one_line(self.database)}" (oid {self.database_oid}), '
            f"PostgreSQL {self.server_version}"
        )


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """The settings ``ringfence.*`` of one database, which no dump carries along. All None where there is no stamp."""

    environment: str | None
    project: str | None
    baseline: str | None


def read_identity(connection: Connection) -> Identity:
    """Ask the server who it is. Raises IdentityError when it cannot say."""
    try:
        row = connection.execute(queries.load(PACKAGE, "identity")).fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        raise IdentityError(
            f"role {one_line(connection.info.user)} may not ask the server who it is: {error.diag.message_primary}",
            hint="GRANT EXECUTE ON FUNCTION pg_control_system(), pg_control_checkpoint() to that role",
        ) from error
    if row is None:
        raise IdentityError("the server did not say which database this connection is in")
    return Identity(
        system_identifier=row[0],
        database_oid=row[1],
        database=row[2],
        server_version_num=row[3],
        server_version=row[4],
        timeline=row[5],
        data_directory=row[6],
        in_recovery=row[7],
        superuser=bool(row[8]),
    )


def read_position(connection: Connection) -> int | None:
    """How far the server's WAL is on disk, in bytes; None on a standby. On one server it never goes back."""
    row = connection.execute(queries.load(PACKAGE, "wal_position")).fetchone()
    return None if row is None else row[0]


def read_stamp(connection: Connection, database: str) -> Stamp:
    """The stamp of a database of this server, read from the catalog and never from the session."""
    rows = connection.execute(queries.load(PACKAGE, "stamp"), {"database": database}).fetchall()
    found: dict[str, str] = {name: value for name, value in rows}  # noqa: C416  # rows are typed as tuples of Any
    return Stamp(environment=found.get(ENVIRONMENT), project=found.get(PROJECT), baseline=found.get(BASELINE))


def write_stamp(
    connection: Connection, database: str, *, environment: str, project: str, baseline: str | None = None
) -> None:
    """Write the stamp into a database's settings; ``baseline`` is the backup a test database was made from."""
    values = {ENVIRONMENT: environment, PROJECT: project} | ({BASELINE: baseline} if baseline else {})
    for name, value in values.items():
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                sql.Identifier(database), sql.SQL(".").join(map(sql.Identifier, name.split("."))), sql.Literal(value)
            )
        )


def require_stamp(connection: Connection, *, database: str, environment: str, project: str) -> Identity:
    """Refuse (7) unless the database behind this connection is stamped as that environment of that project.

    ``database`` is the name the configuration gives; the connection may be in another database of the same server
    (to drop or rename a database, one must not be in it). Returns the identity of the connection.
    """
    stamp = read_stamp(connection, database)
    if stamp.environment != environment or stamp.project != project:
        says = "no stamp" if stamp.environment is None else f"the stamp {stamp.environment!r} of {stamp.project!r}"
        raise IdentityError(
            f'database "{one_line(database)}" carries {says}; expected {environment!r} of project {project!r}',
            hint="'ringfence up' stamps the databases it creates; a stamp does not travel with a dump. "
            "Check in ringfence.toml that host, port and database are the ones you mean",
        )
    return read_identity(connection)


def share_locks(one: Connection, other: Connection) -> bool:
    """Whether two connections lead into the same running server, by an advisory lock taken in one of them.

    A file-level copy has the same system identifier but not the same locks. Both connections must be outside a
    transaction; the lock is on a random key and belongs to a transaction (a pooler keeps one in one session), which is
    rolled back before this returns. The proof does not need the same database: the key is looked for in ``pg_locks``,
    which shows every database of the server.
    """
    key = secrets.randbits(62)
    with one.transaction(force_rollback=True):
        one.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", (key,))
        found = other.execute(
            "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted "
            "AND classid = (%s >> 32)::pg_catalog.int8::pg_catalog.oid "
            "AND objid = (%s & 4294967295)::pg_catalog.oid AND objsubid = 1",
            (key, key),
        ).fetchone()
    return found is not None


def require_apart(production: Connection, test: Connection) -> None:
    """Refuse (7) when the test connection leads into production's server, or into a copy of its files."""
    identity, other = read_identity(production), read_identity(test)
    if share_locks(production, test):
        raise IdentityError(
            f"test and production are the same server ({identity.describe()})",
            hint="the test role is a superuser: on one server nothing could keep it out of production",
        )
    if identity.system_identifier == other.system_identifier:
        raise IdentityError(
            f"the test server is a file-level copy of production (system identifier {identity.system_identifier})",
            hint="make a test server of its own: remove the copy and run 'ringfence up'",
        )
