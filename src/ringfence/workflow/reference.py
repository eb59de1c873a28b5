"""The reference: the pristine copy of a backup on the test server.

Making it is the proof of the backup: it counts only when its fingerprints equal the manifest's. The test database is
made from it by a file copy, and rows of production are compared with its rows.
"""

from __future__ import annotations

from psycopg import sql

from ringfence.backup.model import Entry
from ringfence.backup.restore import restore
from ringfence.errors import BackupError, RestoreError
from ringfence.integrity import baseline, observe
from ringfence.integrity.compare import differing
from ringfence.integrity.model import Observation
from ringfence.integrity.travel import compare_restored, settle_sequences
from ringfence.postgres import capability, databases, identity
from ringfence.postgres.connection import Connection
from ringfence.workflow import testserver
from ringfence.workflow.backup import check_dump
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import STEP_TIMEOUT_S, Project

PURPOSE: testserver.Purpose = "reference"


def baseline_of(entry: Entry) -> Observation:
    """The baseline in a backup's manifest. Raises BackupError (5)."""
    if entry.manifest is None:
        raise BackupError(f"backup {entry.id}: {entry.problem or 'no manifest'}")
    return baseline.from_json(entry.manifest.baseline)


def find(project: Project, admin: Connection, entry: Entry) -> str | None:
    """The database that is the finished reference of this backup; whether it was touched since is not asked here."""
    for name in testserver.own(admin, project, PURPOSE):
        if identity.read_stamp(admin, name).baseline == entry.id:
            return name
    return None


def make(project: Project, admin: Connection, entry: Entry, progress: Progress) -> str:
    """Restore a backup into a new reference and prove it, in place of any earlier one. Returns its database name.

    ``admin`` comes from `testserver.admin`. Raises BackupError (5) for a dump that is not what its manifest says and
    RestoreError (6) when what was restored differs from the baseline; the test database is as it was.
    """
    before = baseline_of(entry)
    check_dump(project, entry, progress, full=False)
    if entry.manifest is None or entry.dump_path is None:
        raise BackupError(f"backup {entry.id}: {entry.problem or 'no manifest'}")
    here, there = capability.major(admin.info.server_version), capability.major(before.identity.server_version_num)
    if here < there:
        raise RestoreError(
            f"the test server is PostgreSQL {here}, older than production's {there}; a dump goes forward only",
            hint="make the test server with the same major as production",
        )
    testserver.drop_own(admin, project, PURPOSE)
    _make_roles(admin, before)
    name = testserver.new_name(admin, project, PURPOSE)
    locale = databases.locale_clause(before.locale, major=capability.major(admin.info.server_version))
    databases.create_empty(admin, name, locale)
    identity.write_stamp(admin, name, environment=PURPOSE, project=project.name)
    progress.say(f"restoring {entry.id} on the test server")
    restore(
        project.client_programs("test", max(entry.manifest.reader_version_num, admin.info.server_version)),
        entry.dump_path,
        project.target("test").on(name),
        jobs=project.workers + 1,
        timeout_s=STEP_TIMEOUT_S,
        on_tick=lambda: progress.advance("restoring", 0, 0),
    )
    require_equal(project, name, before, what=f"what was restored from {entry.id}")
    # Naming the baseline in the stamp is the completion marker: it comes last.
    identity.write_stamp(admin, name, environment=PURPOSE, project=project.name, baseline=entry.id)
    return name


def require_equal(project: Project, database: str, before: Observation, *, what: str) -> None:
    """Refuse (6) unless a database of the test server holds exactly the rows and objects of a baseline."""
    target = project.target("test").on(database)
    with observe.open_snapshot(target) as snapshot:
        after = observe.observe(snapshot, before.seeds, workers=project.workers)
    of_extensions = {t.name for t in snapshot.tables if t.of_extension}
    rows = [t for t in differing(before, after) if t not in of_extensions]
    same_major = capability.major(before.identity.server_version_num) == capability.major(
        after.identity.server_version_num
    )
    objects = compare_restored(
        settle_sequences(before.state, before.sequence_bounds, after.state), after.state, same_major=same_major
    )
    if rows or objects:
        told = [f"rows of {sql.Identifier(t.schema, t.name).as_string()}" for t in rows] + list(objects)
        raise RestoreError(
            f"{what} differs from the baseline in {len(told)} places: {'; '.join(told[:8])}",
            hint="the backup is not proven; look at these objects, and make a new backup",
        )


def _make_roles(admin: Connection, before: Observation) -> None:
    """Roles that the dump's owners, rights and policies name must exist to be restored; here they cannot log in.

    A superuser of production is one here, too: nobody else may own a foreign-data wrapper or an event trigger.
    """
    for quoted, attributes in before.state.get("cluster-role", {}).items():
        role = quoted[1:-1].replace('""', '"') if quoted.startswith('"') else quoted
        if role.startswith("pg_"):
            continue
        found = admin.execute("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = %s", (role,)).fetchone()
        if not found:
            admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
        if attributes.get("rolsuper") and not (found and found[0]):
            admin.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(sql.Identifier(role)))
