"""Taking a server's database for an environment: shown first, asked for where it was there before, stamped, recorded.

Everything that could be wrong is looked for before the first word is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from ringfence import files
from ringfence.engines.model import EnvironmentName
from ringfence.errors import IdentityError
from ringfence.postgres import databases, identity, queries
from ringfence.postgres.connection import Connection, QueryError, connect
from ringfence.postgres.identity import Identity, Stamp
from ringfence.redact import one_line, quote_ident
from ringfence.wording import counted
from ringfence.workflow import known, proven
from ringfence.workflow.known import Known, Seen
from ringfence.workflow.project import Project


@dataclass(frozen=True, kw_only=True)
class Found:
    """A database that somebody else made, as a person is shown it before it becomes an environment."""

    environment: EnvironmentName
    project: str
    address: str
    identity: Identity
    tables: int
    size_bytes: int
    sessions: int
    owner: str

    def lines(self) -> tuple[str, ...]:
        """What was found, and what taking it for this environment means."""
        means = (
            "it will be backed up and compared; nothing of its data is changed"
            if self.environment == "production"
            else "IT WILL BE REPLACED by every reseed: whatever is in it now is lost"
        )
        return (
            f"{self.environment} of project {self.project}: {one_line(self.address)}",
            f"  {self.identity.describe()}",
            f"  {counted(self.tables, 'table')}, {files.bytes_text(self.size_bytes)}, owner {one_line(self.owner)}, "
            f"{counted(self.sessions, 'other session')}" + (", a standby" if self.identity.in_recovery else ""),
            f"  as {self.environment} {means}",
        )


Consent = Callable[[Found], bool]
"""Asks a person whether a database is to be taken for an environment."""


def nobody(found: Found) -> bool:
    """The answer where nobody can be asked and nobody said ``--yes``."""
    return False


def require_not_vanished(project: Project, environment: EnvironmentName, *, accept: bool) -> None:
    """Refuse (7) to make a new, empty production in the place of one that is on record and whose data are gone."""
    recorded = known.read(project).get(environment)
    if environment == "test" or recorded is None or accept:
        return
    if project.engine(environment).status().state == "absent":
        raise IdentityError(
            f"production's server is gone; on record is {recorded.describe()}",
            hint=f"look for its data directory or volume. If a new, empty production is meant, "
            f"'ringfence up production {known.ACCEPT}'",
        )


def recognize(
    record: Mapping[str, Known], environment: EnvironmentName, system_identifier: str, *, accept: bool
) -> None:
    """Refuse (7) a server by its system identifier alone, before anything is started, made or changed in it (pure)."""
    other: EnvironmentName = "test" if environment == "production" else "production"
    of_other, own = record.get(other), record.get(environment)
    if of_other is not None and of_other.system_identifier == system_identifier:
        raise IdentityError(
            f"{environment}'s server is {other}'s server, or a copy of its files (system {system_identifier})",
            hint=f"check where [{environment}] leads in ringfence.toml; each environment needs a server of its own",
        )
    if environment == "production" and own is not None and own.system_identifier != system_identifier and not accept:
        raise known.changed(
            environment, f"its system identifier is {system_identifier}; {own.system_identifier} is on record"
        )


def furnish(
    project: Project, environment: EnvironmentName, *, made: bool, accept: bool, consent: Consent
) -> tuple[str, ...]:
    """Make, stamp and record an environment's database where that was not done yet; what was done, one line each.

    ``made`` says that the tool has just made the server, ``accept`` that a person takes whatever answers for the new
    one. Raises IdentityError (7) for a database of another project or environment, one that is not the one on record,
    one that nobody agreed to, and for a test server that is production's.
    """
    database, changes = project.database(environment), []
    with proven.session(environment, project.engine(environment).target("postgres"), read_only=False) as connection:
        recorded = known.read(project).get(environment)
        here = identity.read_identity(connection)
        _require_apart(project, environment, connection, here)
        fresh = accept or (made and environment == "test")
        moved = (
            None
            if recorded is None
            else known.server_difference(recorded, known.look(project, environment, connection, here))
        )
        if moved is not None and not fresh:
            raise known.changed(environment, moved)
        there_before = databases.exists(connection, database)
        if not there_before:
            _require_may_create(project, environment, recorded, made=made, accept=accept)
        stamp = identity.read_stamp(connection, database)
        _require_own(project, environment, stamp)
        if not there_before:
            _create(connection, database)
            changes.append(f"created database {one_line(database)}")
        seen = _seen(project, environment)
        other = None if recorded is None else known.difference(recorded, seen)
        same = recorded is not None and other is None
        if other is not None and not fresh:
            raise known.changed(environment, other)
        if stamp.environment is None:
            _require_consent(
                project, environment, seen.identity, asked=there_before and not same and not accept, ask=consent
            )
            _stamp(project, environment, connection)
            again = " again: its stamp had been taken away" if same and there_before else ""
            changes.append(f"stamped database {one_line(database)} as {environment}{again}")
        if not same or _says_more(recorded, seen):
            recorded = known.remember(project, environment, seen)
            changes.append(f"on record as {environment}: {recorded.describe()}")
    return tuple(changes)


def _require_apart(project: Project, environment: EnvironmentName, connection: Connection, here: Identity) -> None:
    if environment == "test":
        proven.require_not_production(project, connection, here, may_be_unknown=True)
        return
    test = known.read(project).get("test")
    if test is not None and test.system_identifier == here.system_identifier:
        raise IdentityError(
            f"production's server is the test server, or a copy of its files ({here.describe()})",
            hint="check where [production] leads in ringfence.toml",
        )


def _require_may_create(
    project: Project, environment: EnvironmentName, recorded: Known | None, *, made: bool, accept: bool
) -> None:
    if environment == "production" and recorded is not None and not accept:
        raise IdentityError(
            f"production's database is gone; on record is {recorded.describe()}",
            hint=f"'ringfence restore' brings it back from a backup. If a new, empty one is meant, "
            f"'ringfence up production {known.ACCEPT}'",
        )
    if environment == "production" and not made and recorded is None and not _is_own(project, environment):
        raise IdentityError(
            f"there is no database {one_line(project.database(environment))} on production's server",
            hint="check [production] in ringfence.toml; on a server that is there already production is not made up",
        )


def _require_own(project: Project, environment: EnvironmentName, stamp: Stamp) -> None:
    if stamp.environment is not None and (stamp.environment, stamp.project) != (environment, project.name):
        raise IdentityError(
            f"database {one_line(project.database(environment))} at {project.target(environment).address} carries "
            f"the stamp {stamp.environment!r} of project {stamp.project!r}; expected {environment!r} of "
            f"{project.name!r}",
            hint="give this project a server and a database of its own",
        )


def _require_consent(
    project: Project, environment: EnvironmentName, seen: Identity, *, asked: bool, ask: Consent
) -> None:
    """A database that was there before becomes an environment only when a person has seen it and says so."""
    if not asked:
        return
    target = project.target(environment)
    with connect(target) as connection:
        row = connection.execute(queries.load("ringfence.workflow", "found")).fetchone()
    if row is None:
        raise QueryError(f"{target}: the database does not describe itself")
    found = Found(
        environment=environment,
        project=project.name,
        address=str(target),
        identity=seen,
        tables=row[0],
        size_bytes=row[1],
        sessions=row[2],
        owner=row[3],
    )
    if not ask(found):
        raise IdentityError(
            f"nobody agreed to take this database for {environment}:\n" + "\n".join(found.lines()),
            hint=f"if it is the one, 'ringfence up {environment} --yes'",
        )


def _is_own(project: Project, environment: EnvironmentName) -> bool:
    return project.engine(environment).kind != "server"


def _seen(project: Project, environment: EnvironmentName) -> Seen:
    with proven.session(environment, project.target(environment)) as connection:
        return known.look(project, environment, connection)


def _says_more(recorded: Known | None, seen: Seen) -> bool:
    """Whether something can be seen now that is not on record: an earlier version did not write it down."""
    return recorded is not None and (
        (recorded.position is None and seen.position is not None) or (recorded.place is None and seen.place is not None)
    )


def _create(connection: Connection, database: str) -> None:
    connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(database)))


def _stamp(project: Project, environment: EnvironmentName, connection: Connection) -> None:
    database = project.database(environment)
    try:
        identity.write_stamp(connection, database, environment=environment, project=project.name)
    except psycopg.errors.InsufficientPrivilege as error:
        statements = "; ".join(
            f"ALTER DATABASE {quote_ident(database)} SET {name} = '{value}'"
            for name, value in ((identity.ENVIRONMENT, environment), (identity.PROJECT, project.name))
        )
        raise IdentityError(
            f"role {one_line(connection.info.user)} may not stamp the database: {error.diag.message_primary}",
            hint=f"let a superuser of that server execute: {statements}",
        ) from error
