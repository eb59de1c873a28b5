"""A backup as a new database, beside whatever is there, and the comparison that proves both."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from ringfence.backup.formats.choice import format_of
from ringfence.backup.model import Entry, Manifest
from ringfence.backup.restore import restore
from ringfence.crashpoint import crashpoint
from ringfence.engines.model import EnvironmentName
from ringfence.errors import BackupError, RestoreError
from ringfence.integrity import baseline, observe
from ringfence.integrity.compare import differing
from ringfence.integrity.model import Observation
from ringfence.integrity.travel import compare_restored, settle_sequences
from ringfence.postgres import capability, databases, identity
from ringfence.postgres.connection import Connection
from ringfence.postgres.target import Target
from ringfence.wording import counted
from ringfence.workflow.backups import testserver
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import STEP_TIMEOUT_S, Project


def baseline_of(entry: Entry) -> Observation:
    """The baseline in a backup's manifest. Raises BackupError (5)."""
    return baseline.from_json(manifest_of(entry)[0].baseline)


def manifest_of(entry: Entry) -> tuple[Manifest, Path]:
    """The manifest and the dump of a backup that can be used. Raises BackupError (5)."""
    if entry.manifest is None or entry.dump_path is None:
        raise BackupError(f"backup {entry.id}: {entry.problem or 'no manifest'}")
    return entry.manifest, entry.dump_path


def require_version(admin: Connection, before: Observation, *, server: str) -> None:
    """Refuse (6) a server older than the one that was dumped: a dump goes forward only."""
    here, there = capability.major(admin.info.server_version), capability.major(before.identity.server_version_num)
    if here < there:
        raise RestoreError(
            f"the {server} server is PostgreSQL {here}, older than the {there} that was backed up; a dump goes "
            "forward only",
            hint=f"make the {server} server with PostgreSQL {there} or newer",
        )


def make_beside(
    project: Project,
    admin: Connection,
    entry: Entry,
    *,
    environment: EnvironmentName,
    purpose: testserver.Purpose,
    progress: Progress,
) -> str:
    """Restore a backup into a new database of an environment's server and prove it. Returns the database's name.

    The database is made from template0, stamped with its purpose before anything is in it, and compared with the
    manifest afterwards. Raises RestoreError (6) with what failed or differs.
    """
    manifest, dump = manifest_of(entry)
    before = baseline.from_json(manifest.baseline)
    name = testserver.new_name(admin, project, purpose, environment=environment)
    locale = databases.locale_clause(before.locale, major=capability.major(admin.info.server_version))
    databases.create_empty(admin, name, locale)
    identity.write_stamp(admin, name, environment=purpose, project=project.name)
    crashpoint(f"{purpose}.created")
    target = project.target(environment).on(name)
    progress.say(f"restoring {entry.id} on the {environment} server, beside what is there")

    def tick() -> None:
        crashpoint(f"{purpose}.restoring")
        progress.advance("restoring", 0, 0)

    restore(
        project.client_programs(environment, max(manifest.reader_version_num, admin.info.server_version)),
        dump,
        target,
        form=format_of(manifest),
        jobs=project.restore_jobs,
        timeout_s=STEP_TIMEOUT_S,
        server=environment,
        on_tick=tick,
    )
    crashpoint(f"{purpose}.restored")
    require_equal(project, target, before, what=f"what was restored from {entry.id}")
    crashpoint(f"{purpose}.compared")
    return name


def require_equal(project: Project, target: Target, before: Observation, *, what: str) -> None:
    """Refuse (6) unless a database holds exactly the rows and objects of a baseline."""
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
            f"{what} differs from the baseline in {counted(len(told), 'place')}: {'; '.join(told[:8])}",
            hint="the backup is not proven; look at these objects, and make a new backup",
        )
