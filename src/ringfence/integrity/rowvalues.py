"""The values of rows that differ, as PostgreSQL writes them.

Values travel as the text that the type's own output function makes under the pinned settings: what can be read back
into the same value on any server. Nothing is converted to a type of Python, where a NaN, an infinity, a year BC or the
scale of a number would be lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from ringfence.integrity.model import RowChanges, TableName
from ringfence.integrity.rowpairs import (
    NO_COLUMN_CHANGES,
    Change,
    ColumnChanges,
    RowChange,
    RowsCompared,
    Side,
    row_changes,
)
from ringfence.postgres.connection import QueryError, error_text
from ringfence.wording import counted

ROWS_AT_ONCE = 500
_NUMBERS = frozenset({"int2", "int4", "int8", "oid"})

Values = Mapping[str, str | None]
"""The text of each column's value by the column's name; None for NULL."""


@dataclass(frozen=True, kw_only=True)
class RowDifference:
    """One row that differs, with all its values on both sides. ``before`` is None for one that came."""

    change: Change
    before: Values | None
    after: Values | None

    def changed_columns(self) -> tuple[str, ...]:
        """The columns whose values differ, where the row was updated."""
        if self.before is None or self.after is None:
            return ()
        return tuple(c for c in self.before if self.before[c] != self.after.get(c))


@dataclass(frozen=True, kw_only=True)
class TableDifference:
    """The rows of one table that differ: all are counted, the first are shown.

    ``status`` says whether the table is on both sides. ``key`` is empty for a table whose rows are a multiset.
    ``types`` holds the type of each column as far as it is one of PostgreSQL's own, in the order of the names.
    """

    table: TableName
    status: str
    key: tuple[str, ...]
    types: Mapping[str, str | None]
    column_changes: ColumnChanges
    counts: RowChanges
    rows: tuple[RowDifference, ...]

    @property
    def more(self) -> int:
        """How many rows differ and are not in ``rows``."""
        return self.counts.inserted + self.counts.updated + self.counts.deleted - len(self.rows)


def read_difference(comparison: RowsCompared, before: Side, after: Side, *, limit: int) -> TableDifference:
    """Count all rows that differ and fetch the values of the first ``limit``. Raises QueryError."""
    counts: Counter[Change] = Counter()
    chosen: list[RowChange] = []
    for one in comparison.changes():
        counts[one.change] += 1
        if len(chosen) < limit:
            chosen.append(one)
    columns = tuple(c.name for c in comparison.columns)
    types = {c.name: c.type for c in comparison.columns}
    rows = [difference for difference, _ in with_values(chosen, before, after, columns)]
    rows.sort(key=lambda row: _sort_key(row, comparison.key or columns, types))
    return TableDifference(
        table=before.table.name,
        status="compared",
        key=comparison.key,
        types=types,
        column_changes=comparison.column_changes,
        counts=row_changes(counts),
        rows=tuple(rows),
    )


def read_whole(side: Side, *, created: bool, rows: int, key: tuple[str, ...], limit: int) -> TableDifference:
    """The first rows of a table that is on one side only; ``rows`` is how many it has."""
    columns = tuple(c.name for c in side.table.columns)
    name = side.table.name
    query = sql.SQL("SELECT {} FROM ONLY {} LIMIT {}").format(
        _list(columns), sql.Identifier(name.schema, name.name), sql.Literal(limit)
    )
    found = [dict(zip(columns, row[1:], strict=True)) for row in texts(side, query)]
    change: Change = "insert" if created else "delete"
    return TableDifference(
        table=name,
        status="created" if created else "dropped",
        key=key,
        types={c.name: c.type for c in side.table.columns},
        column_changes=NO_COLUMN_CHANGES,
        counts=row_changes({change: rows}),
        rows=tuple(
            RowDifference(change=change, before=None if created else row, after=row if created else None)
            for row in found
        ),
    )


def with_values(
    changes: Sequence[RowChange], before: Side, after: Side, columns: Sequence[str]
) -> Iterator[tuple[RowDifference, RowChange]]:
    """The values of rows that differ, a bounded number at a time, in the order given. Raises QueryError."""
    for start in range(0, len(changes), ROWS_AT_ONCE):
        some = changes[start : start + ROWS_AT_ONCE]
        old = rows_at(before, columns, [c.before.place for c in some if c.before])
        new = rows_at(after, columns, [c.after.place for c in some if c.after])
        for one in some:
            yield (
                RowDifference(
                    change=one.change,
                    before=old[one.before.place] if one.before else None,
                    after=new[one.after.place] if one.after else None,
                ),
                one,
            )


def rows_at(side: Side, columns: Sequence[str], places: Sequence[str]) -> Mapping[str, Values]:
    """The values of the rows at these places of the session's snapshot, by place. Raises QueryError.

    A snapshot keeps every row that it shows where it is, and the lock on the table keeps the table's file.
    """
    if not places:
        return {}
    name = side.table.name
    query = sql.SQL("SELECT {} FROM ONLY {} WHERE ctid = ANY ({}::pg_catalog.tid[])").format(
        _list(columns), sql.Identifier(name.schema, name.name), sql.Literal(list(places))
    )
    found = {str(row[0]): dict(zip(columns, row[1:], strict=True)) for row in texts(side, query)}
    missing = set(places) - found.keys()
    if missing:
        raise QueryError(
            f"table {name.name}: {counted(len(missing), 'row is', 'rows are')} not where the snapshot had them"
        )
    return found


def json_value(text: str | None, type_: str | None) -> Any:
    """A value for JSON: whole numbers and booleans as such, everything else as PostgreSQL writes it; NULL is null."""
    if text is None:
        return None
    if type_ in _NUMBERS:
        return int(text)
    if type_ == "bool":
        return text == "t"
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _list(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(c) for c in ("ctid", *columns))


def texts(side: Side, query: sql.Composed) -> Iterator[tuple[str | None, ...]]:
    """The rows of a query as the server sent them. Bytes that are no UTF-8 (SQL_ASCII) survive as surrogates."""
    try:
        result = side.connection.execute(query).pgresult
    except psycopg.Error as error:
        raise QueryError(f"table {side.table.name.name}: {error_text(error)}") from error
    assert result is not None
    for number in range(result.ntuples):
        values = (result.get_value(number, column) for column in range(result.nfields))
        yield tuple(None if v is None else v.decode("utf-8", "surrogateescape") for v in values)


def _sort_key(row: RowDifference, columns: Sequence[str], types: Mapping[str, str | None]) -> tuple[Any, ...]:
    values = row.before or row.after or {}
    found = []
    for column in columns:
        text = values[column]
        number = int(text) if text is not None and types[column] in _NUMBERS else 0
        found.append((text is not None, number, text or ""))
    return tuple(found)
