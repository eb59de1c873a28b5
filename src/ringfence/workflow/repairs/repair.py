"""``repair``: the SQL that puts back exactly the rows that differ; applied, it is proven before it commits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import psycopg

from ringfence import clock
from ringfence.backup.model import Entry
from ringfence.errors import RestoreError, UsageError
from ringfence.integrity import definitions, large_objects, observe, repair
from ringfence.integrity.model import Observation
from ringfence.integrity.observe import Snapshot
from ringfence.postgres.connection import ConnectError, QueryError
from ringfence.workflow import hold, proven
from ringfence.workflow.backups import backup as backups
from ringfence.workflow.backups import rebuild
from ringfence.workflow.comparison import rows, verify
from ringfence.workflow.comparison.diff import choose
from ringfence.workflow.comparison.verify import Verified
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project
from ringfence.workflow.repairs.repair_apply import Applied, apply
from ringfence.workflow.repairs.repair_plan import (
    RepairPlan,
    choose_tables,
    make_plan,
    other_damage,
    plan_sequences,
    script,
)

DEFAULT_LOCK_WAIT_S = 10.0
ISSUE = "before-repair"
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for: ``tables`` by name (none means all), whether every row is read to learn
    which tables differ, whether the damaged state is backed up first, whether
    newer rows give way, and how long locks are waited for."""

    tables: Sequence[str] = ()
    full: bool = False
    evidence: bool = True
    overwrite: bool = False
    lock_wait_s: float = DEFAULT_LOCK_WAIT_S


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What was planned and, where it was applied, what came of it: ``verified`` is None for a plan."""

    backup: str
    plan: RepairPlan
    applied: Applied | None
    evidence: Entry | None
    verified: Verified | None
    seconds: float


def plan_only(
    project: Project, name: str | None, request: Request, *, emit: Callable[[str], None], progress: Progress
) -> Repaired:
    """Make the repair and give its script to ``emit``, piece by piece. Production is only read."""
    started = clock.monotonic_s()
    entry, before = _baseline(project, name)

    def work(pristine: Snapshot) -> RepairPlan:
        with observe.open_snapshot(project.target("production")) as snapshot:
            plan = _plan(project, before, pristine, snapshot, request, progress)
            if not plan.is_empty or plan.definitions:
                for piece in script(plan, snapshot.identity, project=project.name, backup=entry.id):
                    emit(piece)
            return plan

    plan = _guarded(lambda: rows.with_reference(project, entry, before, progress, work))
    return Repaired(
        backup=entry.id,
        plan=plan,
        applied=None,
        evidence=None,
        verified=None,
        seconds=clock.monotonic_s() - started,
    )


def repair_now(
    project: Project, name: str | None, request: Request, *, agree: Callable[[RepairPlan], bool], progress: Progress
) -> Repaired:
    """Repair production, if ``agree`` says so to the plan, and verify it afterwards.

    Raises IdentityError (7), BusyError (4), BackupError (5) for the backup of the damaged state, RestoreError (6) for
    all else that keeps it from being done; production is as it was then.
    """
    started = clock.monotonic_s()
    entry, before = _baseline(project, name)
    with contextlib.ExitStack() as stack:
        stack.enter_context(hold.only_run(project, "repair"))

        def work(pristine: Snapshot) -> tuple[RepairPlan, Applied | None, Entry | None]:
            with observe.open_snapshot(project.target("production")) as snapshot:
                plan = _plan(project, before, pristine, snapshot, request, progress)
            if plan.is_empty:
                return plan, None, None
            if not agree(plan):
                raise UsageError("not repaired: nobody agreed", hint="--yes agrees beforehand")
            kept = _keep_evidence(project, entry, progress) if request.evidence else None
            with proven.production(project, read_only=False) as connection:
                done = apply(
                    project,
                    before,
                    pristine,
                    connection,
                    plan,
                    overwrite=request.overwrite,
                    lock_wait_s=request.lock_wait_s,
                    progress=progress,
                )
            return replace(done.plan, remains=plan.remains, definitions=plan.definitions), done, kept

        plan, applied, kept = _guarded(lambda: rows.with_reference(project, entry, before, progress, work))
        verified = verify.verify(project, entry.id, progress=progress)
    return Repaired(
        backup=entry.id,
        plan=plan,
        applied=applied,
        evidence=kept,
        verified=verified,
        seconds=clock.monotonic_s() - started,
    )


def _baseline(project: Project, name: str | None) -> tuple[Entry, Observation]:
    """The baseline to go back to, production proven to be what it was taken from."""
    entry = project.store.get(name)
    before = rebuild.baseline_of(entry)
    try:
        with proven.production(project):
            pass
    except ConnectError as error:
        raise RestoreError(f"nothing was repaired: {error.message}", hint=error.hint) from error
    return entry, before


def _plan(
    project: Project,
    before: Observation,
    pristine: Snapshot,
    snapshot: Snapshot,
    request: Request,
    progress: Progress,
) -> RepairPlan:
    proven.require_production(project, snapshot.connection)
    since = verify.observe_production(project, before, snapshot, full=request.full)
    after = since.observation
    known = {d.table for d in (*before.tables, *after.tables)}
    asked = choose(request.tables, known) if request.tables else None
    chosen, remains = choose_tables(project, before, after, asked)
    plans, keys, more = make_plan(
        project, before, pristine, snapshot.connection, snapshot.tables, chosen, since.changed, progress
    )
    sequences = plan_sequences(before, after, plans, snapshot.connection, everything=asked is None)
    return RepairPlan(
        tables=plans,
        order=repair.in_order([p.facts.name for p in plans], keys),
        keys=keys,
        sequences=sequences,
        remains=(*remains, *more, *other_damage(before, after, sequences)),
        definitions=_shown(before, after, pristine) if asked is None else (),
    )


def _shown(before: Observation, after: Observation, pristine: Snapshot) -> tuple[str, ...]:
    """What is no row and has its SQL all the same."""
    objects = large_objects.mending(before.state, after.state, pristine.connection, seed=before.seeds.first)
    return (*definitions.mending(before.state, after.state), *objects)


def _keep_evidence(project: Project, entry: Entry, progress: Progress) -> Entry:
    """A backup of production as it is, for the investigation: marked as of a damaged state, so it is no baseline."""
    needed = backups.needed_baselines(project) | {entry.id: "production is being repaired from it"}
    return backups.create_backup(project, issue=ISSUE, progress=progress, needed=needed, purpose="damaged").entry


def _guarded(act: Callable[[], _T]) -> _T:
    try:
        return act()
    except (ConnectError, QueryError, psycopg.Error) as error:
        hint = getattr(error, "hint", None) or "production is as it was: the repair is one transaction"
        raise RestoreError(f"not repaired: {error}", hint=hint) from error
