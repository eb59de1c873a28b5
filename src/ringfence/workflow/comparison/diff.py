"""``diff``: the rows of production that differ from the baseline, with their old and new values. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import psycopg

from ringfence import clock
from ringfence.backup.model import Entry
from ringfence.config.names import TableName as Wanted
from ringfence.config.names import parse_table_name
from ringfence.errors import HaltError, UsageError
from ringfence.integrity import observe
from ringfence.integrity.compare import compare as verdict_of
from ringfence.integrity.compare import differing
from ringfence.integrity.model import Observation, OtherChange, TableName, TableRule
from ringfence.integrity.observe import Snapshot
from ringfence.integrity.rowvalues import TableDifference
from ringfence.postgres.connection import ConnectError, QueryError
from ringfence.redact import one_line
from ringfence.workflow.backups import rebuild
from ringfence.workflow.comparison import rows, verify
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project

DEFAULT_LIMIT = 100


@dataclass(frozen=True, kw_only=True)
class Diffed:
    """Rows that differ, by table. ``other`` is what differs besides rows; None where only some tables were asked for.

    ``compared`` is how many tables were looked at, ``columns`` are the columns of all tables there are.
    """

    backup: str
    tables: tuple[TableDifference, ...]
    rules: dict[TableName, TableRule]
    other: tuple[OtherChange, ...] | None
    compared: int
    columns: frozenset[tuple[TableName, str]]
    seconds: float


def diff(
    project: Project,
    name: str | None,
    *,
    tables: Sequence[str],
    limit: int,
    progress: Progress,
    full: bool = False,
) -> Diffed:
    """Compare rows of production with a backup (the newest by default): all tables, or those that are named.

    ``limit`` rows of each table are shown, all are counted. Which tables differ is learned as `verify` learns it;
    ``full`` reads every row. Raises HaltError (3) where production cannot be read: then
    nothing is known; UsageError (2) for a table that is on neither side, and as `rows.with_reference` does.
    """
    started = clock.monotonic_s()
    entry = project.store.get(name)
    before = rebuild.baseline_of(entry)
    try:
        with observe.open_snapshot(project.target("production")) as snapshot:
            known = {d.table for d in before.tables} | {t.name for t in snapshot.tables}
            asked = frozenset(choose(tables, known)) if tables else None
            compared = len(known if asked is None else asked)
            wrong, other, changed = _differing(project, before, snapshot, asked, full, progress)
            found = _compare(project, entry, before, snapshot, wrong, limit, progress, changed) if wrong else ()
    except (ConnectError, QueryError, psycopg.Error) as error:
        raise HaltError(f"rows could not be compared: {error}", hint=getattr(error, "hint", None)) from error
    return Diffed(
        backup=entry.id,
        tables=found,
        rules={t: project.rule(t) for t in wrong},
        other=other,
        compared=compared,
        columns=frozenset((t.name, c.name) for t in snapshot.tables for c in t.columns)
        | frozenset((t.table, c) for t in found for c in t.types),
        seconds=clock.monotonic_s() - started,
    )


def choose(names: Sequence[str], known: set[TableName]) -> tuple[TableName, ...]:
    """The tables that somebody named, by the rules of SQL or exactly as they are called. Raises UsageError (2)."""
    found: set[TableName] = set()
    for name in names:
        exact = {t for t in known if name in (t.name, f"{t.schema}.{t.name}")}
        try:
            wanted = parse_table_name(name)
        except ValueError as error:
            if not exact:
                raise UsageError(f"table {one_line(name)!r}: {error}") from None
            wanted = Wanted(schema=None, name=name)
        by_rule = {t for t in known if t.name == wanted.name and wanted.schema in (None, t.schema)}
        if not by_rule | exact:
            raise UsageError(
                f"there is no table {one_line(name)} in the baseline or in production",
                hint="'ringfence verify' lists the tables; partitions are compared, not the table above them",
            )
        found |= by_rule or exact
    return tuple(sorted(found))


def _differing(
    project: Project,
    before: Observation,
    snapshot: Snapshot,
    asked: frozenset[TableName] | None,
    full: bool,
    progress: Progress,
) -> tuple[tuple[TableName, ...], tuple[OtherChange, ...] | None, rows.Changed]:
    """The tables whose fingerprints differ, what else does, and where in the tables; of all, or of the ``asked``."""
    read = 0

    def on_digest(table: TableName, blocks: int, total: int) -> None:
        nonlocal read
        read += blocks
        progress.advance("comparing", read, total)

    if asked is not None:
        snapshot = replace(snapshot, tables=tuple(t for t in snapshot.tables if t.name in asked))
    since = verify.observe_production(project, before, snapshot, full=full, on_digest=on_digest)
    wrong = differing(before, since.observation)
    if asked is not None:
        # A column that is new in an empty table, or a wider type, changes no digest; of a named table it is told.
        layouts = {r.table: r.body.layout for r in before.ranges}
        others = {t.name for t in snapshot.tables if layouts.get(t.name, t.body.layout) != t.body.layout}
        return tuple(sorted(asked & {*wrong, *others})), None, since.changed
    found = verdict_of(before, since.observation, rules={}, changes={}, proof="fingerprint")
    return wrong, tuple(c for c in found.other if not c.allowed), since.changed


def _compare(
    project: Project,
    entry: Entry,
    before: Observation,
    snapshot: Snapshot,
    wrong: Sequence[TableName],
    limit: int,
    progress: Progress,
    changed: rows.Changed,
) -> tuple[TableDifference, ...]:
    def work(pristine: Snapshot) -> tuple[TableDifference, ...]:
        found = []
        for number, table in enumerate(wrong):
            progress.advance("comparing rows", number, len(wrong))
            one = rows.table_difference(before, pristine, snapshot, table, limit, changed)
            counted = one.counts.inserted + one.counts.updated + one.counts.deleted
            if counted or one.column_changes or one.status != "compared":
                found.append(one)
        return tuple(found)

    return rows.with_reference(project, entry, before, progress, work)
