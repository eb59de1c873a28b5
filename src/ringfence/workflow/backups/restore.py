"""``restore``: production from a backup, made beside the damaged database, compared, then swapped in.

The order is the safety: until the two renames, which are one transaction, production is untouched whatever happens;
after them the name leads to the compared copy, and the damaged database is still there under another name.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ringfence import clock, files
from ringfence.backup.model import Entry
from ringfence.crashpoint import crashpoint
from ringfence.errors import BusyError, IdentityError, RestoreError, RingfenceError
from ringfence.integrity.model import Observation
from ringfence.integrity.state import read_state
from ringfence.journal.log import Journal
from ringfence.postgres import databases, identity, properties, queries
from ringfence.postgres.connection import ConnectError, Connection, QueryError, connect
from ringfence.redact import one_line
from ringfence.workflow import known, proven
from ringfence.workflow.backups import backup, mirror, obstacles, rebuild, testserver
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project
from ringfence.workflow.rights import roles
from ringfence.workflow.rights.production_roles import make_missing_roles
from ringfence.workflow.rights.properties import properties_of, unexpected

RUN_TEXT = "restore"
ISSUE_BEFORE, ISSUE_AFTER = "before-restore", "after-restore"


@dataclass(frozen=True, kw_only=True)
class Restored:
    """Production after a restore. ``damaged`` is the name under which the database that was replaced is kept, None
    where there was none; ``notes`` is what a person should know or do."""

    backup: str
    database: str
    damaged: str | None
    backup_of_damaged: str | None
    new_baseline: str | None
    tables: int
    rows: int
    run_id: str
    roles_made: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float


def restore(
    project: Project, name: str, *, backup_first: bool, accept_roles: bool = False, progress: Progress
) -> Restored:
    """Make production from a backup. A HALT does not stand in its way: getting out of one is what it is for.

    Raises BackupError (5) for a backup that is not sound, BusyError (4) while a run or another restore goes on,
    IdentityError (7) when the server is not provably this project's production, RestoreError (6) for what failed before
    the swap: production is as it was then.
    """
    started = clock.monotonic_s()
    entry = mirror.usable(project, name, progress)
    before = rebuild.baseline_of(entry)
    with (
        files.lock(project.paths.lock_file, purpose=f"restoring {entry.id}"),
        Journal.create(
            project.paths.state_directory,
            project=project.name,
            issue=None,
            text=f"{RUN_TEXT} {entry.id}",
            root=project.settings.root,
        ) as journal,
    ):
        journal.backup(entry.id)
        crashpoint("restore.start")
        try:
            done = _Restore(project, journal, entry, before, progress).run(
                backup_first=backup_first, accept_roles=accept_roles
            )
        except RingfenceError as error:
            journal.end("failed", exit_code=error.exit_code, reasons=[error.message])
            raise
        except BaseException as error:
            journal.end("failed", exit_code=None, reasons=[f"{type(error).__name__}: {error}"])
            raise
        journal.end("passed", exit_code=0, reasons=done.notes)
    return Restored(**{**done.__dict__, "seconds": clock.monotonic_s() - started})


class _Restore:
    """One restore at work: its steps in order, each in the journal."""

    def __init__(
        self, project: Project, journal: Journal, entry: Entry, before: Observation, progress: Progress
    ) -> None:
        self.project, self.journal, self.entry, self.before = project, journal, entry, before
        self.progress = progress
        self.database = project.database("production")
        self.notes: list[str] = []
        self.roles_made: tuple[str, ...] = ()

    def run(self, *, backup_first: bool, accept_roles: bool) -> Restored:
        with self.journal.step("check"):
            self.progress.say(f"checking backup {self.entry.id}")
            backup.check_dump(self.project, self.entry, self.progress, full=False)
            proven.refuse_one_server_for_both(self.project)
            with self._admin() as admin:
                self._require_possible(admin)
                there = databases.exists(admin, self.database)
        of_damaged = self._back_up_damaged() if backup_first and there else None
        try:
            damaged = self._replace(accept_roles=accept_roles)
        except (ConnectError, QueryError, psycopg.Error) as error:
            raise RestoreError(
                f"restore failed: {error}",
                hint="production is as it was: the name still leads to the database it led to before",
            ) from error
        new_baseline = self._new_baseline()
        return Restored(
            backup=self.entry.id,
            database=self.database,
            damaged=damaged,
            backup_of_damaged=of_damaged,
            new_baseline=new_baseline,
            tables=len(self.before.tables),
            rows=sum(t.rows for t in self.before.tables),
            run_id=self.journal.run_id,
            roles_made=self.roles_made,
            notes=tuple(self.notes),
            seconds=0.0,
        )

    @contextlib.contextmanager
    def _admin(self) -> Iterator[Connection]:
        """A writing session on production's server, outside the database that is replaced."""
        try:
            target = self.project.engine("production").target("postgres")
            with proven.session("production", target, read_only=False) as connection:
                yield connection
        except ConnectError as error:
            raise RestoreError(
                f"production's server cannot be reached: {error.message}",
                hint="'ringfence up production' starts it; where its data are lost, it makes a new, empty server",
            ) from error

    def _require_possible(self, admin: Connection) -> None:
        """Everything that can be known before anything is done: the right server, nobody at work, room, versions."""
        here = identity.read_identity(admin)
        if not here.superuser:
            raise IdentityError(
                f"role {one_line(admin.info.user)} is no superuser on production: it cannot restore everything",
                hint="ALTER ROLE … SUPERUSER for the time of the restore, or name another admin_role",
            )
        self._require_production(admin)
        self._require_apart(admin)
        working = admin.execute(
            queries.load("ringfence.workflow", "run_sessions"), {"database": self.database}
        ).fetchall()
        if working:
            pid, application = working[0]
            raise BusyError(
                f"a run holds production: {one_line(application)}, server process {pid}",
                hint="end that run first; its next step would meet another database",
            )
        self.notes += obstacles.require_none(admin, self.database)
        rebuild.require_version(admin, self.before, server="production")
        self._require_space(here.data_directory)

    def _require_production(self, admin: Connection) -> None:
        """The server must be the one on record, and no copy of it; the stamp may be gone with the database."""
        recorded = known.read(self.project).get("production")
        seen = known.look(self.project, "production", admin)
        if recorded is None:
            raise known.unrecorded("production", seen.identity)
        moved = known.server_difference(recorded, seen)
        if moved is not None:
            raise known.changed("production", moved)
        stamp = identity.read_stamp(admin, self.database)
        if stamp.environment is None:
            self.notes.append(f"{self.database} was not there, or had lost its stamp; its server is the one on record")
        elif (stamp.environment, stamp.project) != ("production", self.project.name):
            raise IdentityError(
                f'"{one_line(self.database)}" on the server that answers for production carries the stamp '
                f"{stamp.environment!r} of {stamp.project!r} (system identifier {seen.identity.system_identifier})",
                hint="'ringfence up production' makes or starts the server that ringfence.toml names",
            )
        elif seen.identity.system_identifier != self.before.identity.system_identifier:
            self.notes.append("this is another server than the one that was backed up")

    def _require_apart(self, admin: Connection) -> None:
        """Never into the test server, whatever is configured: by the record, and by a lock where it answers."""
        test = known.read(self.project).get("test")
        here = identity.read_identity(admin)
        if test is not None and test.system_identifier == here.system_identifier:
            raise IdentityError(
                f"production's server is the test server, or a copy of its files ({here.describe()})",
                hint="check where [production] leads in ringfence.toml",
            )
        try:
            with connect(self.project.engine("test").target("postgres")) as other:
                identity.require_apart(admin, other)
        except ConnectError:
            return  # what does not answer is not the server that does

    def _require_space(self, data_directory: str | None) -> None:
        manifest, _ = rebuild.manifest_of(self.entry)
        if not data_directory or not Path(data_directory).is_dir() or not manifest.database_bytes:
            return
        wanted, free = manifest.database_bytes * 6 // 5, shutil.disk_usage(data_directory).free
        if free < wanted:
            raise RestoreError(
                f"{files.bytes_text(free)} are free in {data_directory}, and the restored database needs about "
                f"{files.bytes_text(wanted)} beside the damaged one",
                hint="make room there; nothing was done",
            )

    def _back_up_damaged(self) -> str | None:
        with self.journal.step("backup of the damaged state") as step:
            self.progress.say("backing up production as it is now, damaged or not")
            try:
                created = backup.create_backup(
                    self.project,
                    issue=ISSUE_BEFORE,
                    purpose="damaged",
                    progress=self.progress,
                    needed=self._needed(),
                )
            except BusyError:
                raise
            except RingfenceError as error:
                raise RestoreError(
                    f"the damaged state could not be backed up, so nothing was done: {error.message}",
                    hint="with --no-backup-first it is only kept as a database under another name",
                ) from error
            step.note(created.entry.id)
        crashpoint("restore.backed_up")
        return created.entry.id

    def _needed(self) -> dict[str, str]:
        return backup.needed_baselines(self.project) | {self.entry.id: "production is being restored from it"}

    def _audit_roles(self, fresh: str, *, accept: bool) -> str:
        """Whether the app role could destroy the restored database, before it is production."""
        target = self.project.target("production").on(fresh)
        audited = roles.audit_target(target, roles.policy_of(self.project), roles.passwords_of(self.project))
        if not audited.critical:
            return "no critical finding"
        named = "; ".join(f"{f.rule} {one_line(f.object)}: {f.message}" for f in audited.critical[: roles.MOST_NAMED])
        told = f"the role audit has {len(audited.critical)} critical findings: {named}"
        if not accept:
            raise RestoreError(
                told,
                hint="'ringfence roles audit' shows what mends each, 'ringfence roles apply' closes most; "
                "then restore again, or --accept-roles to swap in spite of them. Production is as it was",
            )
        self.notes.append(told)
        return told

    def _replace(self, *, accept_roles: bool) -> str | None:
        with self._admin() as admin:
            try:
                damaged = self._make_and_swap(admin, accept_roles=accept_roles)
            except BaseException:
                # Until the swap it carries the stamp of what is being made; nobody needs half a copy of production.
                with contextlib.suppress(ConnectError, QueryError, psycopg.Error):
                    testserver.drop_own(admin, self.project, "restoring")
                raise
        self._analyze()
        return damaged

    def _make_and_swap(self, admin: Connection, *, accept_roles: bool) -> str | None:
        with self.journal.step("restore beside") as step:
            testserver.drop_own(admin, self.project, "restoring")
            crashpoint("restore.before_create")
            self.roles_made = make_missing_roles(admin, self.before.state)
            for role in self.roles_made:
                self.notes.append(f"role {one_line(role)} was missing; it was made without login and password")
            fresh = rebuild.make_beside(
                self.project,
                admin,
                self.entry,
                environment="production",
                purpose="restoring",
                progress=self.progress,
            )
            step.note(f"{fresh} equals {self.entry.id}, row for row")
        with self.journal.step("rights and settings"):
            self._apply_properties(admin, fresh)
        with self.journal.step("roles") as step:
            step.note(self._audit_roles(fresh, accept=accept_roles))
        with self.journal.step("swap") as step:
            damaged = self._swap(admin, fresh)
            step.note(f"{self.database} is the restored database now; the damaged one is {damaged or 'not there'}")
        backup.record_proof(self.project, self.entry, by="restore")
        return damaged

    def _apply_properties(self, admin: Connection, fresh: str) -> None:
        """Owner, rights, settings and comment of the database itself, read back and compared."""
        wanted = properties_of(self.before.state, self.before.identity.database)
        try:
            properties.apply(admin, fresh, wanted)
        except psycopg.Error as error:
            raise RestoreError(f"rights and settings of {self.database} could not be applied: {error}") from error
        crashpoint("restore.properties")
        with connect(self.project.target("production").on(fresh)) as connection:
            state = read_state(connection, seed=self.before.seeds.first)
        wrong = unexpected(wanted, properties_of(state, fresh))
        if wrong:
            raise RestoreError(f"rights and settings of the restored database differ: {'; '.join(wrong[:8])}")
        labels = self.before.state.get("cluster-security-label", {})
        if any(label.startswith("database ") for label in labels):
            self.notes.append("security labels of the database are not put back")

    def _swap(self, admin: Connection, fresh: str) -> str | None:
        """Both renames and all stamps in one transaction; what the name leads to afterwards is asked of the server."""
        obstacles.require_none(admin, self.database)  # a restore takes long; somebody may have come meanwhile
        there = databases.exists(admin, self.database)
        aside = testserver.new_name(admin, self.project, "damaged", environment="production")
        wanted_oid = databases.oid_of(admin, fresh)

        def stamp_both() -> None:
            identity.write_stamp(
                admin, fresh, environment="production", project=self.project.name, baseline=self.entry.id
            )
            if databases.exists(admin, self.database):
                identity.write_stamp(admin, self.database, environment="damaged", project=self.project.name)
                # Before the new baseline: whoever takes these rights later would change what it says.
                properties.strip(admin, self.database)

        crashpoint("restore.before_swap")
        self.progress.say(f"ending sessions in {self.database} and swapping")
        databases.swap(
            admin,
            current=self.database,
            replacement=fresh,
            aside=aside,
            in_transaction=stamp_both,
            between=lambda: crashpoint("restore.between_renames"),
        )
        crashpoint("restore.after_swap")
        stamp = identity.read_stamp(admin, self.database)
        found = (databases.oid_of(admin, self.database), stamp.environment, stamp.baseline)
        if found != (wanted_oid, "production", self.entry.id):
            raise RestoreError(f"after the swap {self.database} is {found}, not {wanted_oid} from {self.entry.id}")
        # From here on the record would call it another database; a kill before this line is mended by a second restore.
        with connect(self.project.target("production")) as connection:
            known.remember(self.project, "production", known.look(self.project, "production", connection))
        crashpoint("restore.remembered")
        return aside if there else None

    def _analyze(self) -> None:
        """A restored database has no statistics; the application would be slow. Failing to is only said."""
        try:
            with connect(self.project.target("production"), read_only=False) as connection:
                self.progress.say("gathering statistics for the planner")
                connection.execute("ANALYZE")
        except (ConnectError, QueryError) as error:
            self.notes.append(f"ANALYZE failed, run it by hand: {error.message}")

    def _new_baseline(self) -> str | None:
        """The restored database is another one than was backed up (its oid), so it needs a baseline of its own."""
        with self.journal.step("new baseline") as step:
            try:
                created = backup.create_backup(
                    self.project,
                    issue=ISSUE_AFTER,
                    progress=self.progress,
                    needed=self._needed(),
                )
            except RingfenceError as error:
                told = f"no new baseline was taken ({error.message}); 'ringfence backup create' takes one"
                self.notes.append(told)
                step.finish("failed", told)
                return None
            step.note(created.entry.id)
            return created.entry.id
