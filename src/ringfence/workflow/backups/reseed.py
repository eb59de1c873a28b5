"""``reseed``: the test database made anew from a backup, all or nothing, and proven equal to it."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence import clock
from ringfence.backup.model import Entry
from ringfence.crashpoint import crashpoint
from ringfence.errors import EmptyTestDatabaseError, RestoreError
from ringfence.integrity.model import Observation
from ringfence.postgres import databases, identity, queries
from ringfence.postgres.connection import ConnectError, Connection, QueryError, connect, one_value
from ringfence.workflow.backups import obstacles, rebuild, reference, testserver
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project

_LEFTOVERS: tuple[testserver.Purpose, ...] = ("incoming", "replaced")


@dataclass(frozen=True, kw_only=True)
class Reseeded:
    """The test database after a reseed: which backup it holds, and how many tables and rows were proven equal."""

    backup: str
    database: str
    tables: int
    rows: int
    reference_reused: bool
    seconds: float


def reseed(project: Project, name: str | None, *, fresh_start: bool, progress: Progress) -> Reseeded:
    """Make the test database from a backup (the newest by default).

    It is made beside the old one, compared with the manifest, and then swapped in by two renames in one transaction,
    so that whatever fails before leaves the old one as it was. Raises EmptyTestDatabaseError (99) when the test
    database has no tables and ``fresh_start`` is not given, IdentityError (7) when the target is not provably this
    project's test database, BackupError (5) for a backup that is not sound, RestoreError (6) for everything else.
    """
    started = clock.monotonic_s()
    entry = project.store.get(name)
    before = rebuild.baseline_of(entry)
    try:
        with testserver.admin(project, before) as admin:
            _require_tables(project, admin, fresh_start)
            reused = _replace(project, admin, entry, before, progress)
    except (ConnectError, QueryError) as error:
        raise RestoreError(f"reseed failed: {error.message}", hint=error.hint) from error
    return Reseeded(
        backup=entry.id,
        database=project.database("test"),
        tables=len(before.tables),
        rows=sum(t.rows for t in before.tables),
        reference_reused=reused,
        seconds=clock.monotonic_s() - started,
    )


def prove_backup(project: Project, entry: Entry, progress: Progress) -> None:
    """Restore a backup on the test server, beside the test database, and compare it; it is the reference then.

    Raises as `reseed` does. The test database is not touched.
    """
    before = rebuild.baseline_of(entry)
    try:
        with testserver.admin(project, before) as admin:
            reference.make(project, admin, entry, progress)
    except (ConnectError, QueryError) as error:
        raise RestoreError(f"the backup could not be restored: {error.message}", hint=error.hint) from error


def _require_tables(project: Project, admin: Connection, fresh_start: bool) -> None:
    database = project.database("test")
    count = 0
    if databases.exists(admin, database):
        databases.allow_connections(admin, database)
        with connect(project.target("test")) as connection:
            count = int(one_value(connection, queries.load("ringfence.workflow", "table_count")))
    if count == 0 and not fresh_start:
        raise EmptyTestDatabaseError(
            f"CATASTROPHIC FAILURE: test database {database} has no tables",
            hint="if this is the first set-up, say so with --fresh-start; "
            "if not, somebody wiped it: find out who before you go on",
        )


def _replace(project: Project, admin: Connection, entry: Entry, before: Observation, progress: Progress) -> bool:
    """Copy the reference, prove the copy, swap it in. True when a reference that stood already could be used."""
    database = project.database("test")
    obstacles.require_none(admin, database, is_dropped=True)
    for purpose in _LEFTOVERS:
        testserver.drop_own(admin, project, purpose)
    source = reference.find(project, admin, entry)
    reused = source is not None
    incoming = _copy(project, admin, source or reference.make(project, admin, entry, progress), progress)
    what = f"the copy of the reference of {entry.id}"
    try:
        rebuild.require_equal(project, project.target("test").on(incoming), before, what=what)
    except RestoreError:
        if not reused:
            raise
        progress.say("the reference was touched since it was made; making it anew")
        reused = False
        databases.drop(admin, incoming)
        incoming = _copy(project, admin, reference.make(project, admin, entry, progress), progress)
        rebuild.require_equal(project, project.target("test").on(incoming), before, what=what)
    crashpoint("reseed.before_swap")
    aside = testserver.new_name(admin, project, "replaced")

    def stamp_both() -> None:
        # Stamps belong to the database and not to its name, and change in the transaction that changes the names.
        identity.write_stamp(admin, incoming, environment="test", project=project.name, baseline=entry.id)
        if databases.exists(admin, database):
            identity.write_stamp(admin, database, environment="replaced", project=project.name)

    databases.swap(
        admin,
        current=database,
        replacement=incoming,
        aside=aside,
        in_transaction=stamp_both,
        between=lambda: crashpoint("reseed.between_renames"),
    )
    crashpoint("reseed.after_swap")
    stamp = identity.read_stamp(admin, database)
    if (stamp.environment, stamp.baseline) != ("test", entry.id):
        raise RestoreError(f"after the swap {database} carries {stamp}, not the stamp it was given")
    testserver.drop_own(admin, project, "replaced")
    return reused


def _copy(project: Project, admin: Connection, source: str, progress: Progress) -> str:
    incoming = testserver.new_name(admin, project, "incoming")
    progress.say(f"copying the reference for {project.database('test')}")
    databases.copy(admin, source, incoming)
    crashpoint("reseed.copied")
    # A copy does not carry the settings of its template, so it has no stamp of its own yet.
    identity.write_stamp(admin, incoming, environment="incoming", project=project.name)
    return incoming
