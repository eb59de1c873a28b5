"""Rows of two sides as they are compared: by the hashes of their keys and of all of them, and by where they lie.

A table without a key is compared as a multiset: a changed row is then one deleted and one inserted, because nothing
says that they are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from psycopg import sql

from ringfence.integrity.expression import TABLE, Column, RowHashes, row_hashes, rows_of
from ringfence.integrity.fingerprint import Table
from ringfence.integrity.model import RowChanges, Seeds, TableName
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection

Change = Literal["insert", "update", "delete"]

MOST_CHARS = 500
"""Of a value that is fetched as text: an index takes keys of a hundred times that where they are compressed well, and
some thousand of them would fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two tables: a session that sees it and the table as that server's catalog has it."""

    connection: Connection
    table: Table


@dataclass(frozen=True, kw_only=True)
class ColumnChanges:
    """Columns that have no counterpart: gone, new, or of another type. Rows are compared without them."""

    dropped: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.dropped or self.added or self.changed)


NO_COLUMN_CHANGES = ColumnChanges(dropped=(), added=(), changed=())


class RowAt(NamedTuple):
    """One row of one side: where it lies in the snapshot, and the two hashes of its key and of all of it.

    A tuple, because there may be some hundred thousand of them.
    """

    place: str
    key: tuple[int, int]
    row: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class RowChange:
    """What happened to one row; ``before`` is None for one that came, ``after`` for one that went."""

    before: RowAt | None
    after: RowAt | None

    @property
    def change(self) -> Change:
        """The word for it."""
        if self.before is None:
            return "insert"
        return "delete" if self.after is None else "update"


@dataclass(frozen=True, kw_only=True)
class Hashes:
    """The expressions that hash a row's key and all of it; without a key the row is its own key."""

    key: RowHashes
    row: RowHashes

    @staticmethod
    def of(columns: Sequence[Column], key: Sequence[str], seeds: Seeds) -> Hashes:
        """Of rows of these columns, of which some are the key."""
        whole = row_hashes(columns, seeds)
        return Hashes(key=row_hashes(columns, seeds, only=set(key)) if key else whole, row=whole)

    def query(
        self,
        name: TableName,
        *,
        blocks: tuple[int, int | None] | None = None,
        where: sql.Composed | None = None,
        texts: Sequence[str] = (),
    ) -> sql.Composed:
        """A query for rows as `row_at` takes them, followed by some columns as text, of which a value that is longer
        than `MOST_CHARS` is cut off; limited as `rows_of` limits."""
        text, chars = sql.SQL("pg_catalog.left({}.{}::pg_catalog.text, {})"), sql.Literal(MOST_CHARS)
        items = [sql.SQL("{}.ctid::pg_catalog.text").format(TABLE)]
        items += [text.format(TABLE, sql.Identifier(c), chars) for c in texts]
        also = None
        if self.row.made is not None:
            names = [sql.Identifier(f"__item{number}") for number in range(len(items))]
            also = sql.SQL(", ").join(sql.SQL("{} AS {}").format(i, n) for i, n in zip(items, names, strict=True))
            items = [sql.SQL("__made.{}").format(n) for n in names]
        rows = rows_of(name.schema, name.name, self.row, blocks=blocks, where=where, also=also)
        hashes = (self.key.first, self.key.second, self.row.first, self.row.second)
        return sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join((items[0], *hashes, *items[1:])), rows)


def row_at(place: str, *hashes: int) -> RowAt:
    """A row from the first five values of `Hashes.query`."""
    return RowAt(place=place, key=(hashes[0], hashes[1]), row=(hashes[2], hashes[3]))


class RowsCompared(Protocol):
    """The rows of one table on two sides, compared; ``key`` is empty for a table that is compared as a multiset.

    ``columns`` are those that both sides have, ``column_changes`` the others.
    """

    columns: tuple[Column, ...]
    column_changes: ColumnChanges
    key: tuple[str, ...]

    def changes(self) -> Iterator[RowChange]:
        """Every row that differs; the order of the rows is not theirs in any index."""

    def counts(self) -> RowChanges:
        """How many rows came, changed and went."""


def count_changes(changes: Iterable[RowChange]) -> RowChanges:
    """How many rows came, changed and went."""
    return row_changes(Counter(one.change for one in changes))


def row_changes(counts: Mapping[Change, int]) -> RowChanges:
    """How many rows came, changed and went, from numbers by the word for it; a word that is missing is none."""
    return RowChanges(
        inserted=counts.get("insert", 0), updated=counts.get("update", 0), deleted=counts.get("delete", 0)
    )


def common_columns(before: Table, after: Table) -> tuple[tuple[Column, ...], ColumnChanges]:
    """The columns that hold the same kind of values on both sides, as ``before`` has them, and all others by name."""
    old, new = ({c.name: c for c in t.columns} for t in (before, after))
    alike = tuple(c for n, c in old.items() if n in new and _kind(c) == _kind(new[n]))
    names = {c.name for c in alike}
    # A column that may be NULL on one side is taken as one that may be on both; values hash alike either way.
    columns = tuple(c if new[c.name].not_null else new[c.name] for c in alike)
    return columns, ColumnChanges(
        dropped=tuple(sorted(old.keys() - new.keys())),
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted((old.keys() & new.keys()) - names)),
    )


def key_columns(side: Side) -> tuple[str, ...]:
    """The columns that tell one row from another, sorted by name; empty where nothing does."""
    query = queries.load("ringfence.integrity", "key_columns")
    row = side.connection.execute(query, {"oid": side.table.oid}).fetchone()
    return tuple(row[0]) if row else ()


def pair(here: Sequence[RowAt], there: Sequence[RowAt]) -> Iterator[RowChange]:
    """What happened to the rows of some keys. Rows that are equal cancel, one for one; of what is left under a key,
    a row that went and a row that came are one that was changed. A key that is there twice (its index is gone, or there
    is none) is no reason to lose count."""
    rows: dict[tuple[int, int], tuple[list[RowAt], list[RowAt]]] = {}
    for number, side in enumerate((here, there)):
        for one in side:
            rows.setdefault(one.key, ([], []))[number].append(one)
    for old, new in rows.values():
        if len(old) == len(new) == 1:
            if old[0].row != new[0].row:
                yield RowChange(before=old[0], after=new[0])
            continue
        gone, come = _without_equals(old, new)
        for number in range(max(len(gone), len(come))):
            yield RowChange(
                before=gone[number] if number < len(gone) else None,
                after=come[number] if number < len(come) else None,
            )


def _without_equals(old: Sequence[RowAt], new: Sequence[RowAt]) -> tuple[list[RowAt], list[RowAt]]:
    left: dict[tuple[int, int], list[RowAt]] = {}
    for one in old:
        left.setdefault(one.row, []).append(one)
    come = []
    for one in new:
        equals = left.get(one.row)
        if equals:
            equals.pop()
        else:
            come.append(one)
    return [one for rest in left.values() for one in rest], come


def _kind(column: Column) -> tuple[str | None, str | None, int, str, str]:
    return column.type, column.element, column.typmod, column.output_schema, column.output_function
