"""``backup create``: dump and baseline from one snapshot, read back in full, published, and only then rotation."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from ringfence import clock, files
from ringfence.backup import dump as dumps
from ringfence.backup import model
from ringfence.backup.dump import Method
from ringfence.backup.formats.choice import format_of
from ringfence.backup.model import Entry, Kept, Manifest, Purpose
from ringfence.backup.store import BackupStore
from ringfence.crashpoint import crashpoint
from ringfence.errors import BackupError, EngineError
from ringfence.integrity import baseline, observe, wal_mark
from ringfence.integrity.model import Observation, TableName
from ringfence.integrity.observe import Snapshot
from ringfence.integrity.state_diff import is_hidden
from ringfence.integrity.state_rules import kind_of, why_unreadable
from ringfence.journal import reader
from ringfence.postgres import databases
from ringfence.postgres.connection import ConnectError, QueryError, connect
from ringfence.postgres.programs import ClientPrograms
from ringfence.redact import one_line
from ringfence.workflow import known, proven
from ringfence.workflow.backups import mirror as mirrors
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import STEP_TIMEOUT_S, Project

NOT_CLOSED = "the baseline of a run that is not closed"


@dataclass(frozen=True, kw_only=True)
class Created:
    """A new backup, its baseline, and what rotation did."""

    entry: Entry
    manifest: Manifest
    observation: Observation
    removed: tuple[str, ...]
    kept: tuple[Kept, ...]
    mirror_problem: str | None
    seconds: float


def create_backup(
    project: Project,
    *,
    issue: str | None,
    progress: Progress,
    needed: Mapping[str, str] | None = None,
    purpose: Purpose = "regular",
) -> Created:
    """Make a backup of production. ``needed`` are ids that rotation must leave, with the reason.

    Raises BackupError (5), BusyError (4) when another backup is being made, IdentityError (7) when the database is
    not stamped as this project's production. Older backups are untouched unless the new one is in place.
    """
    started = clock.monotonic_s()
    crashpoint("backup.start")
    try:
        with project.store.writing():
            crashpoint("backup.locked")
            created = _create(project, project.store, issue, purpose, progress)
            rotation = project.store.rotate(keep=project.settings.backup.keep, needed=needed)
            _release_wal(project, created[0].id, [i for i, why in (needed or {}).items() if why == NOT_CLOSED])
    except (ConnectError, QueryError) as error:
        raise BackupError(f"backup not made: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise BackupError(f"backup not made: {error.filename or project.paths.backups}: {error.strerror}") from error
    for gone in rotation.remove:
        progress.say(f"removed {gone}: more than {project.settings.backup.keep} newer ones are kept")
    entry, manifest, observation = created
    mirror_problem = mirrors.keep_up(project, rotation.remove, progress)
    if mirror_problem:
        progress.say(f"WARNING: the backup is in place, but the mirror is not kept up: {mirror_problem}")
    return Created(
        entry=entry,
        manifest=manifest,
        observation=observation,
        removed=rotation.remove,
        kept=rotation.kept,
        mirror_problem=mirror_problem,
        seconds=clock.monotonic_s() - started,
    )


def _create(
    project: Project, store: BackupStore, issue: str | None, purpose: Purpose, progress: Progress
) -> tuple[Entry, Manifest, Observation]:
    target = project.target("production")
    with proven.production(project) as connection:
        programs, method = _how(project, connection.info.server_version)
    _require_space(project, store)
    sequence = store.next_sequence()
    slots = wal_mark.slot_prefix(project.name)
    with store.staging() as staging, observe.open_marked_snapshot(target, slots=slots) as snapshot:
        # Asked again of the very session that the dump and the baseline come from.
        proven.require_production(project, snapshot.connection)
        known.advance(project, snapshot.connection)
        crashpoint("backup.snapshot")
        staged = staging / "dump"
        observation = _dump_and_observe(project, snapshot, programs, method, staged, progress)
        for hidden in _require_readable(observation):
            progress.say(hidden)
        crashpoint("backup.dumped")
        progress.say("reading the dump back")
        with ThreadPoolExecutor(max_workers=1) as pool:
            reading = pool.submit(dumps.read_in_full, programs, staged, form=method.form, timeout_s=STEP_TIMEOUT_S)
            measured = method.form.measure(staged)
            reading.result()
        crashpoint("backup.before_sync")
        method.form.settle(staged)
        moment = clock.utc_now()
        name = model.backup_id(target.database, issue, moment)
        while not store.is_free(name):
            clock.pause(0.1)  # one name a second
            moment = clock.utc_now()
            name = model.backup_id(target.database, issue, moment)
        manifest = Manifest(
            id=name,
            sequence=sequence,
            project=project.name,
            database=target.database,
            issue=issue,
            created_at=moment,
            file=f"{name}.dump",
            size_bytes=measured.size_bytes,
            sha256=measured.sha256,
            format=method.form.name,
            parts=measured.parts,
            server_version=snapshot.identity.server_version,
            server_version_num=snapshot.identity.server_version_num,
            program_version=f"{programs.major}.{programs.minor}",
            baseline=baseline.to_json(observation),
            purpose=purpose,
            database_bytes=databases.size_bytes(snapshot.connection, target.database),
        )
        return store.publish(staged, manifest), manifest, observation


def _how(project: Project, server_version_num: int) -> tuple[ClientPrograms, Method]:
    """The programs and the method for a dump of this server, if both those that write it and those that will read it on
    the test server know it. Raises BackupError (5)."""
    programs, method = project.client_programs("production", server_version_num), project.dump_method
    if method.is_universal:
        return programs, method
    dumps.require(programs, method, where="production")
    # A test server that is not there is not in the way of a backup.
    with contextlib.suppress(EngineError, ConnectError):
        with connect(project.engine("test").target("postgres")) as connection:
            newest = max(server_version_num, programs.major * 10000, connection.info.server_version)
        readers = project.client_programs("test", newest)
        if readers != programs:
            dumps.require(readers, method, where="test")
    return programs, method


def _dump_and_observe(
    project: Project,
    snapshot: Snapshot,
    programs: ClientPrograms,
    method: Method,
    staged: Path,
    progress: Progress,
) -> Observation:
    """pg_dump and the fingerprints at the same time, both in the one snapshot; either failing ends the other."""
    given_up, seeds = threading.Event(), observe.new_seeds()
    read_blocks = 0
    begin = observe.sequence_values(snapshot.target, seeds)

    def on_bytes(size: int) -> None:
        if given_up.is_set():
            raise BackupError("backup not made: the fingerprints failed")
        crashpoint("backup.dump_begun")
        if size:
            crashpoint("backup.dumping")
        progress.advance(f"dump {files.bytes_text(size)}", 0, 0)

    with ThreadPoolExecutor(max_workers=1) as pool:
        dumping: Future[None] = pool.submit(
            dumps.dump,
            programs,
            snapshot.target,
            staged,
            method=method,
            snapshot=snapshot.name,
            timeout_s=STEP_TIMEOUT_S,
            on_bytes=on_bytes,
        )

        def on_digest(table: TableName, blocks: int, total: int) -> None:
            nonlocal read_blocks
            if dumping.done():
                dumping.result()
            read_blocks += blocks
            crashpoint("backup.baseline")
            progress.advance("baseline", read_blocks, total)

        try:
            observation = observe.observe(snapshot, seeds, workers=project.workers, on_digest=on_digest)
            dumping.result()
            end = observe.sequence_values(snapshot.target, seeds)
        except BaseException:
            given_up.set()
            raise
    return replace(observation, sequence_bounds=(begin, end))


def _release_wal(project: Project, newest: str, needed: Collection[str]) -> None:
    """Only the newest baseline and those of open runs are worth production's disk; the slots of all others go."""
    entries = [e for e in project.store.entries() if e.id == newest or e.id in needed]
    marks = [e.manifest.baseline.get("mark") for e in entries if e.manifest]
    kept = [str(m["slot"]) for m in marks if isinstance(m, dict) and m.get("slot")]
    wal_mark.sweep(project.target("production"), prefix=wal_mark.slot_prefix(project.name), keep=kept)


def _require_readable(observation: Observation) -> list[str]:
    """Refuse a baseline with a gap: it could never be compared. What a role that is no superuser may be without is
    returned instead, to be told; rows are never among it, because neither dump nor fingerprint leaves any out."""
    hidden = []
    for kind, objects in observation.state.items():
        reason = why_unreadable(objects)
        if reason is None:
            continue
        if observation.identity.superuser or not is_hidden(kind, observation.state):
            raise BackupError(
                f"no baseline: {kind_of(kind).label} could not be read: {reason}",
                hint=None
                if observation.identity.superuser
                else "GRANT pg_read_all_data, pg_monitor TO the administrator's role, or use a superuser",
            )
        hidden.append(f"not in the baseline: {kind_of(kind).label}: {reason}")
    return hidden


def _require_space(project: Project, store: BackupStore) -> None:
    """Refuse before anything is written when the last dump and half of it again would not fit."""
    last = next((e.manifest for e in store.entries() if e.manifest and e.problem is None), None)
    free = files.free_bytes(store.directory)
    wanted = last.size_bytes * 3 // 2 if last else 0
    if free < wanted:
        raise BackupError(
            f"{files.bytes_text(free)} are free in {store.directory}, and the last dump and half of it again are "
            f"{files.bytes_text(wanted)}",
            hint="make room, or give [backup] directory another place; older backups were not touched",
        )


def needed_baselines(project: Project) -> dict[str, str]:
    """Backups that rotation must leave, with the reason: the baselines of runs that are open or stand as a HALT, and
    that of the last run that passed, which is the last that production was seen to equal."""
    runs = reader.read_runs(project.paths.state_directory)
    last = next((r.backup for r in runs if r.backup is not None and r.outcome == "passed"), None)
    needed = {last: "the baseline of the last run that passed"} if last else {}
    for run in runs:
        if run.backup is not None and (run.is_open or run.is_halted):
            needed[run.backup] = NOT_CLOSED
    return needed


def record_proof(project: Project, entry: Entry, *, by: str) -> None:
    """Note that a restore of this backup was compared and found equal."""
    now = clock.utc_now()
    project.store.mark(entry.id, lambda marks: marks.proven(now, by))


def pin(project: Project, name: str, *, reason: str) -> None:
    """Keep a backup until it is unpinned. Raises BackupError (5) where there is no such backup."""
    now = clock.utc_now()
    project.store.mark(name, lambda marks: marks.pinned(now, one_line(reason)[:200]))


def unpin(project: Project, name: str) -> None:
    """Leave a backup to the rules again. Raises BackupError (5) where there is no such backup."""
    project.store.mark(name, lambda marks: marks.unpinned())


def verify_backup(project: Project, name: str | None, progress: Progress) -> Entry:
    """Prove that a dump is what was written: size, SHA-256, a full read of the archive. Raises BackupError (5)."""
    entry = project.store.get(name)
    return check_dump(project, entry, progress)


def check_dump(project: Project, entry: Entry, progress: Progress, *, full: bool = True) -> Entry:
    """Every byte of the dump against its manifest, and with ``full`` a read of the archive. Raises BackupError (5)."""
    if entry.manifest is None or entry.dump_path is None:
        raise BackupError(f"backup {entry.id}: {entry.problem or 'no manifest'}")
    total, done = entry.manifest.size_bytes, 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        progress.advance("reading the dump", done, total)

    form = format_of(entry.manifest)
    damage = form.damage(entry.dump_path, entry.manifest, on_bytes)
    if damage is not None:
        raise BackupError(
            f"dump {entry.dump_path.name} is damaged: {damage}", hint="use another backup: 'ringfence backup list'"
        )
    if full:
        programs = project.client_programs("production", entry.manifest.reader_version_num)
        dumps.read_in_full(programs, entry.dump_path, form=form, timeout_s=STEP_TIMEOUT_S)
    return entry
