"""``verify``: production against a baseline. What could not be looked at is unknown, and unknown is a HALT."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import psycopg

from ringfence import clock
from ringfence.backup.model import Entry
from ringfence.crashpoint import crashpoint
from ringfence.engines.embedded import EmbeddedEngine
from ringfence.errors import RingfenceError
from ringfence.integrity import live, live_rules, observe, since
from ringfence.integrity.compare import compare, comparison_json, differing
from ringfence.integrity.fingerprint import OnDigest, Table
from ringfence.integrity.live_rules import Attribution, needs_rows
from ringfence.integrity.model import Comparison, Observation, RowChanges, TableName
from ringfence.integrity.observe import Snapshot
from ringfence.integrity.rowpairs import Side, common_columns
from ringfence.integrity.rowvalues import TableDifference
from ringfence.integrity.state_diff import NO_SETTINGS
from ringfence.postgres import queries
from ringfence.postgres.connection import ConnectError, QueryError, connect
from ringfence.redact import one_line
from ringfence.workflow.backups import rebuild
from ringfence.workflow.comparison import rows, wal_sources
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project

WAIT_FOR_WRITERS_S = 10

_Found = tuple[RowChanges | None, TableDifference | None]
"""What is known of the rows of a table that differs: how many, and where they were asked for which."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The comparison of production with the baseline of one backup.

    ``rows`` are those of tables that differ, where they were asked for and could be read.
    """

    baseline: str
    comparison: Comparison
    seconds: float
    rows: tuple[TableDifference, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether production is as it was, or differs only in what a rule allows."""
        return self.comparison.verdict in ("unchanged", "allowed")


def verify(
    project: Project, name: str | None, *, progress: Progress, full: bool = False, rows_shown: int = 0
) -> Verified:
    """Compare production with a baseline (the newest backup's by default); ``full`` reads every row again.

    Of each table that differs the values of ``rows_shown`` rows are read, from the same snapshot as everything else.

    A server that cannot be reached or read gives the verdict ``unknown``, never an error and never a pass. Raises
    BackupError (5) when there is no baseline to compare with.
    """
    started = clock.monotonic_s()
    entry = project.store.get(name)
    before = rebuild.baseline_of(entry)
    differences: tuple[TableDifference, ...] = ()
    try:
        comparison, differences = _compare(project, entry, before, progress, full=full, rows_shown=rows_shown)
    except (ConnectError, QueryError, psycopg.Error) as error:
        comparison = _unknown(f"production could not be read: {error}")
    crashpoint("verify.compared")
    seconds = clock.monotonic_s() - started
    return Verified(baseline=entry.id, comparison=comparison, seconds=seconds, rows=differences)


def _compare(
    project: Project, entry: Entry, before: Observation, progress: Progress, *, full: bool, rows_shown: int
) -> tuple[Comparison, tuple[TableDifference, ...]]:
    target = project.target("production")
    writing = _wait_for_writers(project)
    read = 0

    def on_digest(table: TableName, blocks: int, total: int) -> None:
        nonlocal read
        read += blocks
        crashpoint("verify.reading")
        progress.advance("comparing", read, total)

    with observe.open_snapshot(target) as snapshot:
        found = observe_production(project, before, snapshot, full=full, on_digest=on_digest)
        after = found.observation
        wrong = differing(before, after)
        rules = {t: project.rule(t) for t in {d.table for d in (*before.tables, *after.tables)}}
        who = _who_wrote(project, before, snapshot, after, progress)
        unclear = tuple(t for t in wrong if needs_rows(t, rules[t], who))
        found_rows, notes = _row_changes(project, entry, before, snapshot, unclear, progress, rows_shown, found.changed)
    changes = {table: counts for table, (counts, _) in found_rows.items()}
    engine = project.engine("production")
    comparison = compare(
        before,
        after,
        rules=rules,
        changes=changes,
        proof=found.proof,
        proof_reasons=found.reasons,
        live=who,
        own_settings=engine.settings() if isinstance(engine, EmbeddedEngine) else NO_SETTINGS,
    )
    differences = tuple(one for _, one in found_rows.values() if one is not None)
    return with_notes(comparison, (*notes, *writing), unknown=bool(writing)), differences


def _who_wrote(
    project: Project, before: Observation, snapshot: Snapshot, after: Observation, progress: Progress
) -> Attribution | None:
    """Whose writing it was since the baseline; None where nobody is expected to write."""
    if project.application is None:
        return None
    progress.say("telling what the application wrote from what others wrote")
    readers = wal_sources.readers(project)
    return live.attribute(snapshot, before, after.state, readers=readers, application=project.application)


def observe_production(
    project: Project, before: Observation, snapshot: Snapshot, *, full: bool, on_digest: OnDigest | None = None
) -> since.Since:
    """Production as it is, by what the WAL names as touched since the baseline where that can be shown; ``full`` reads
    every row."""
    return since.observe_since(
        snapshot, before, readers=wal_sources.readers(project), load=project.load, full=full, on_digest=on_digest
    )


def _row_changes(
    project: Project,
    entry: Entry,
    before: Observation,
    snapshot: Snapshot,
    wrong: tuple[TableName, ...],
    progress: Progress,
    rows_shown: int,
    changed: rows.Changed,
) -> tuple[dict[TableName, _Found], tuple[str, ...]]:
    """Compare the rows of tables that differ with the reference, which is made first where it is not there.

    Not being able to does not change that they differ; it is said, and the counts stay open.
    """
    if not wrong:
        return {}, ()

    def work(pristine: Snapshot) -> dict[TableName, _Found]:
        here, there = rows.by_name(snapshot.tables), rows.by_name(pristine.tables)
        known = {t: here.get(t) or there.get(t) for t in wrong}
        if rows_shown:
            found = {
                t: rows.table_difference(before, pristine, snapshot, t, rows_shown, changed)
                for t, one in known.items()
                if one
            }
            return {t: (_counts(found[t]), found[t]) if t in found else (None, None) for t in wrong}
        return {t: (_changes_of(before, there.get(t), here.get(t), pristine, snapshot, changed), None) for t in wrong}

    try:
        return rows.with_reference(project, entry, before, progress, work), ()
    except (RingfenceError, psycopg.Error) as error:
        told = f"rows could not be compared with the reference, so what happened to them is open: {error}"
        return dict.fromkeys(wrong, (None, None)), (told,)


def _counts(difference: TableDifference) -> RowChanges | None:
    """As `_changes_of`, where the rows were read as well."""
    return None if difference.column_changes or difference.status != "compared" else difference.counts


def _changes_of(
    before: Observation,
    old: Table | None,
    new: Table | None,
    pristine: Snapshot,
    snapshot: Snapshot,
    changed: rows.Changed,
) -> RowChanges | None:
    """How many rows came, changed and went; None where that cannot be said because the columns are others."""
    if old is None or new is None or common_columns(old, new)[1]:
        return None
    here = Side(connection=pristine.connection, table=old)
    return rows.compare(before, here, Side(connection=snapshot.connection, table=new), changed).counts()


def _wait_for_writers(project: Project) -> tuple[str, ...]:
    """Sessions that have written and not committed could change production after it was looked at: wait, then say.

    A live application's own always do, and may.
    """
    deadline = clock.monotonic_s() + WAIT_FOR_WRITERS_S
    with connect(project.target("production")) as connection:
        while True:
            found = [
                writer
                for writer in connection.execute(queries.load("ringfence.workflow", "writers")).fetchall()
                if not live_rules.is_application(project.application, role=writer[1], address=writer[3])
            ]
            if not found:
                return ()
            if clock.monotonic_s() >= deadline:
                return tuple(
                    f"session {pid} of role {one_line(role or '?')} ({one_line(application or 'no name')}) has written "
                    f"and not committed; it may change production after this look"
                    for pid, role, application, _ in found
                )
            clock.pause(0.25)


def with_notes(comparison: Comparison, notes: tuple[str, ...], *, unknown: bool) -> Comparison:
    """Add reasons to a comparison; ``unknown`` takes a pass away, and leaves what is worse than unknown as it is."""
    verdict = comparison.verdict
    if unknown and verdict in ("unchanged", "allowed"):
        verdict = "unknown"
    return replace(comparison, verdict=verdict, reasons=(*comparison.reasons, *notes))


def not_possible(baseline: str, reason: str) -> Verified:
    """A verification that could not even begin: unknown, so a HALT."""
    return Verified(baseline=baseline, comparison=_unknown(reason), seconds=0.0)


def as_json(result: Verified) -> dict[str, Any]:
    """The keys of ``verify --json``, which a run's journal holds too."""
    return {**comparison_json(result.comparison), "baseline": result.baseline, "seconds": round(result.seconds, 3)}


def _unknown(reason: str) -> Comparison:
    return Comparison(verdict="unknown", proof="fingerprint", tables=(), other=(), reasons=(reason,))
