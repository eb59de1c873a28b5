"""Rows of production beside rows of the reference, table by table; the reference is proven before it is believed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from psycopg import sql

from ringfence.backup.model import Entry
from ringfence.errors import RestoreError
from ringfence.integrity import fingerprint, observe, ranges
from ringfence.integrity.fingerprint import Table
from ringfence.integrity.model import Observation, TableName
from ringfence.integrity.observe import Snapshot
from ringfence.integrity.rangediff import compare_ranges
from ringfence.integrity.rowdiff import RowComparison
from ringfence.integrity.rowpairs import RowsCompared, Side, key_columns
from ringfence.integrity.rowvalues import TableDifference, read_difference, read_whole
from ringfence.postgres.connection import QueryError, one_value
from ringfence.redact import one_line
from ringfence.workflow.backups import reference, testserver
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project

_T = TypeVar("_T")


class ReferenceTouchedError(RestoreError):
    """The reference does not hold the baseline's rows (any more)."""


def with_reference(
    project: Project, entry: Entry, before: Observation, progress: Progress, work: Callable[[Snapshot], _T]
) -> _T:
    """Do work that needs the reference of a backup: made where it is not there, made anew once where it was touched.

    ``work`` raises ReferenceTouchedError where it finds that it was; see `compare`. Raises BackupError (5),
    IdentityError (7) and RestoreError (6) as `reference.make` does.
    """
    try:
        with _opened(project, entry, before, progress, anew=False) as pristine:
            return work(pristine)
    except ReferenceTouchedError as error:
        progress.say(f"{error.message}; it is made anew")
    with _opened(project, entry, before, progress, anew=True) as pristine:
        return work(pristine)


@contextlib.contextmanager
def _opened(
    project: Project, entry: Entry, before: Observation, progress: Progress, *, anew: bool
) -> Iterator[Snapshot]:
    with testserver.admin(project, before) as admin:
        name = None if anew else reference.find(project, admin, entry)
        if name is None:
            progress.say("the reference is made, to compare rows with")
            name = reference.make(project, admin, entry, progress)
    with observe.open_snapshot(project.target("test").on(name)) as pristine:
        yield pristine


Changed = Mapping[TableName, tuple[int, ...]]
"""Where rows may differ, as far as that is known: see `since.RowsSince`."""


def compare(before: Observation, pristine: Side, after: Side, changed: Changed) -> RowsCompared:
    """The rows of one table compared, on rows of the reference that were shown to be the baseline's.

    Only the ranges that ``changed`` has of the table are looked at where that leads to all rows that differ, the whole
    table on both sides otherwise. ``after`` must be the snapshot that ``changed`` was learned in. Raises
    ReferenceTouchedError where the reference's rows are not the baseline's, QueryError for a statement that a server
    refused.
    """
    name = after.table.name
    baseline = next((r for r in before.ranges if r.table == name), None)
    if name in changed and baseline is not None:
        near = compare_ranges(baseline, before.seeds, pristine, after, changed[name])
        if near is not None:
            return near
    found = RowComparison(pristine, after, before.seeds)
    require_baseline(before, pristine, found)
    return found


def table_difference(
    before: Observation, pristine: Snapshot, snapshot: Snapshot, table: TableName, limit: int, changed: Changed
) -> TableDifference:
    """The rows of one table that differ; of a table that is on one side only, its rows."""
    old, new = by_name(pristine.tables).get(table), by_name(snapshot.tables).get(table)
    here = Side(connection=pristine.connection, table=old) if old else None
    there = Side(connection=snapshot.connection, table=new) if new else None
    if here and there:
        return read_difference(compare(before, here, there, changed), here, there, limit=limit)
    only = here or there
    if only is None:
        raise QueryError(f"table {table.name} is in the baseline and neither in the reference nor in production")
    if here:
        require_baseline(before, here)
    return read_whole(only, created=here is None, rows=count(only), key=key_columns(only), limit=limit)


def require_baseline(before: Observation, pristine: Side, found: RowComparison | None = None) -> None:
    """Raise ReferenceTouchedError unless a table of the reference has the fingerprint that the manifest has for it."""
    name = pristine.table.name
    wanted = next((d for d in before.tables if d.table == name), None)
    if found is None or found.column_changes:
        digest = fingerprint.digest_table(pristine.connection, pristine.table, before.seeds)
    else:
        digest = ranges.table_digest(name, found.before)
    if wanted is None or digest != wanted:
        raise ReferenceTouchedError(
            f"the reference's own rows of {one_line(name.name)} are not those of the baseline",
            hint="somebody writes to the reference on the test server while it is used",
        )


def count(side: Side) -> int:
    """How many rows a table has of its own."""
    name = side.table.name
    query = sql.SQL("SELECT pg_catalog.count(*) FROM ONLY {}").format(sql.Identifier(name.schema, name.name))
    return int(one_value(side.connection, query))


def by_name(tables: Sequence[Table]) -> dict[TableName, Table]:
    """Tables of a snapshot by their names."""
    return {t.name: t for t in tables}
