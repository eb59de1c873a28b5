"""Which rows of a table differ between two servers, without moving the others.

Both servers hash their rows at the same time and add the hashes up in buckets of keys: ranges of the key where it is
one integer, otherwise parts of the hash of the key, which is the same on every server whatever its type or collation.
The sums over all buckets are the table's fingerprint, so that the pass which finds the differences also proves that the
reference is the baseline. Of buckets that differ the hashes of single rows are compared, a bounded number at a time,
each with the place (``ctid``) where the row lies in the snapshot. Only rows that differ are ever fetched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg import sql

from ringfence.integrity.expression import TABLE, row_hashes, rows_of
from ringfence.integrity.model import RowChanges, Seeds, Sums
from ringfence.integrity.ranges import NO_ROWS, add
from ringfence.integrity.rowpairs import (
    Hashes,
    RowAt,
    RowChange,
    Side,
    common_columns,
    count_changes,
    key_columns,
    pair,
    row_at,
)
from ringfence.postgres.connection import QueryError, error_text

MOST_BUCKETS = 1 << 12
"""As many as fit a processor's cache; more make the pass over all rows slower."""

ROWS_AT_A_TIME = 200_000
REFINE_ABOVE_ROWS = 400_000
"""Buckets that differ and hold more rows than this are divided once more before single rows are looked at."""

_REFINED_BITS = 18
_MOST_RANGES = 64
_INTEGERS = frozenset({"int2", "int4", "int8"})
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class _Ranges:
    """Buckets that are ranges of one integer column: bucket ``n`` begins at ``low + (n << shift)``."""

    column: str
    low: int
    shift: int

    def condition(self, buckets: Sequence[int]) -> sql.Composed:
        """A condition on the column that holds for these buckets, as few ranges as that takes."""
        column = sql.SQL("{}.{}").format(TABLE, sql.Identifier(self.column))
        ranges: list[tuple[int, int]] = []
        for bucket in sorted(buckets):
            if ranges and ranges[-1][1] == bucket:
                ranges[-1] = (ranges[-1][0], bucket + 1)
            else:
                ranges.append((bucket, bucket + 1))
        if len(ranges) > _MOST_RANGES:
            return sql.SQL("{} = ANY ({}::pg_catalog.int4[])").format(self.bucket(), sql.Literal(list(buckets)))
        return sql.SQL("({})").format(
            sql.SQL(" OR ").join(
                sql.SQL("{c} >= {first} AND {c} <= {last}").format(
                    c=column,
                    first=_int8(self.low + (first << self.shift)),
                    last=_int8(min(self.low + (end << self.shift) - 1, (1 << 63) - 1)),
                )
                for first, end in ranges
            )
        )

    def bucket(self) -> sql.Composed:
        """The number of a row's bucket, from the table's own column."""
        return sql.SQL("(({}.{}::pg_catalog.int8 - {}) >> {})::pg_catalog.int4").format(
            TABLE, sql.Identifier(self.column), _int8(self.low), sql.Literal(self.shift)
        )


@dataclass(frozen=True, kw_only=True)
class _Part:
    """How rows are put into buckets: by ranges of the key, or by as many ``bits`` of the key's hash; by both where
    buckets of ranges, named in ``within``, are divided once more."""

    ranges: _Ranges | None
    bits: int
    within: tuple[int, ...] | None


class RowComparison:
    """The rows of one table on two sides, compared. ``before`` and ``after`` hold the sums over all their rows.

    ``key`` is empty for a table that is compared as a multiset, ``columns`` are those that both sides have. The sums
    are those of the table's fingerprint where ``column_changes`` is empty.
    """

    def __init__(self, before: Side, after: Side, seeds: Seeds) -> None:
        self._sides, self._seeds = (before, after), seeds
        self.columns, self.column_changes = common_columns(before.table, after.table)
        names = {c.name for c in self.columns}
        found = (key_columns(before), key_columns(after))
        self.key: tuple[str, ...] = next((k for k in found if k and names.issuperset(k)), ())
        self._hashes = Hashes.of(self.columns, self.key, seeds)
        self._ranges = self._range_buckets()
        bits = (max(self._rows_estimated() // 1000, 16)).bit_length()
        bits = 0 if self._ranges else min(bits, MOST_BUCKETS.bit_length() - 1)
        self._part = _Part(ranges=self._ranges, bits=bits, within=None)
        old, new = self._both(lambda side: self._buckets(side, self._part))
        self.before, self.after = add(old.values()), add(new.values())
        self._sums = old, new

    def changes(self) -> Iterator[RowChange]:
        """Every row that differs, in groups of keys; the order of the rows is not theirs in any index."""
        part, (old, new) = self._part, self._sums
        differing = _differing(old, new)
        if sum(max(old.get(b, NO_ROWS)[0], new.get(b, NO_ROWS)[0]) for b in differing) > REFINE_ABOVE_ROWS:
            within = tuple(differing)
            part = _Part(ranges=part.ranges, bits=_REFINED_BITS, within=within if part.ranges else None)
            old, new = self._both(lambda side: self._buckets(side, part))
            differing = _differing(old, new)
        for group in _groups(differing, old, new):
            here, there = self._both(lambda side, group=group: self._rows(side, part, group))  # type: ignore[misc]
            yield from pair(here, there)

    def counts(self) -> RowChanges:
        """How many rows came, changed and went."""
        return count_changes(self.changes())

    def _range_buckets(self) -> _Ranges | None:
        """Ranges where the key is one integer: an index then leads to the rows of a bucket."""
        column = next((c for c in self.columns if self.key == (c.name,)), None)
        if column is None or column.type not in _INTEGERS:
            return None
        # Without NOT NULL on both sides a row could have no bucket.
        if not all(c.not_null for s in self._sides for c in s.table.columns if c.name == column.name):
            return None
        found = [b for b in self._both(lambda side: _bounds(side, column.name)) if b is not None]
        if not found:
            return None
        low, high = min(b[0] for b in found), max(b[1] for b in found)
        if high - low >= 1 << 62:
            return None
        return _Ranges(
            column=column.name, low=low, shift=max(0, (high - low).bit_length() - MOST_BUCKETS.bit_length() + 1)
        )

    def _rows_estimated(self) -> int:
        # 8 kB blocks of rows of some 80 bytes; only the number of buckets depends on it.
        return max(s.table.blocks for s in self._sides) * 100

    def _buckets(self, side: Side, part: _Part) -> dict[int, Sums]:
        keys, whole = self._hashes.key, self._hashes.row
        where = part.ranges.condition(part.within) if part.ranges and part.within is not None else None
        also = None
        if part.bits:
            bucket = _masked(keys.first, part.bits)
        else:
            assert part.ranges is not None
            bucket = part.ranges.bucket()
            if whole.made is not None:
                also, bucket = sql.SQL("{} AS __bucket").format(bucket), sql.SQL("__made.__bucket").format()
        name = side.table.name
        query = sql.SQL(
            "SELECT {}, pg_catalog.count(*), pg_catalog.sum({}), pg_catalog.sum({}) FROM {} GROUP BY 1"
        ).format(bucket, whole.first, whole.second, rows_of(name.schema, name.name, whole, where=where, also=also))
        return {b: (n, int(first), int(second)) for b, n, first, second in side.connection.execute(query).fetchall()}

    def _rows(self, side: Side, part: _Part, group: Sequence[int]) -> list[RowAt]:
        """The single rows of some buckets."""
        query = self._hashes.query(side.table.name, where=self._of_buckets(side, part, group))
        return [row_at(*values) for values in side.connection.execute(query)]

    def _of_buckets(self, side: Side, part: _Part, group: Sequence[int]) -> sql.Composed:
        """A condition on the table that holds for the rows of these buckets.

        By the hash of the key it is a condition on ``ctid``, so that nothing but the key is looked at in other rows.
        """
        if not part.bits:
            assert part.ranges is not None
            return part.ranges.condition(group)
        columns = [c for c in self.columns if c.name in self.key] if self.key else self.columns
        keys = row_hashes(columns, self._seeds)
        where = part.ranges.condition(part.within) if part.ranges and part.within is not None else None
        place, also = sql.SQL("{}.ctid").format(TABLE), None
        if keys.made is not None:
            also, place = sql.SQL("{} AS __place").format(place), sql.SQL("__made.__place").format()
        name = side.table.name
        rows = rows_of(name.schema, name.name, keys, where=where, also=also)
        word = sql.SQL("WHERE" if where is None or keys.made is not None else "AND")
        return sql.SQL("{}.ctid = ANY (ARRAY(SELECT {} FROM {} {} {} = ANY ({}::pg_catalog.int4[])))").format(
            TABLE, place, rows, word, _masked(keys.first, part.bits), sql.Literal(list(group))
        )

    def _both(self, act: Callable[[Side], _T]) -> tuple[_T, _T]:
        """The same on both servers at the same time; whichever fails ends the other's statement."""
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="rows") as pool:
            running = [pool.submit(act, side) for side in self._sides]
            try:
                done, _ = wait(running, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                return running[0].result(), running[1].result()
            except BaseException as error:
                for side in self._sides:
                    with contextlib.suppress(psycopg.Error):
                        side.connection.cancel_safe(timeout=5)
                if isinstance(error, psycopg.Error):
                    name = self._sides[0].table.name.name
                    raise QueryError(f"comparing the rows of {name}: {error_text(error)}") from error
                raise


def _bounds(side: Side, column: str) -> tuple[int, int] | None:
    name = side.table.name
    query = sql.SQL("SELECT pg_catalog.min({c}), pg_catalog.max({c}) FROM ONLY {t}").format(
        c=sql.Identifier(column), t=sql.Identifier(name.schema, name.name)
    )
    row = side.connection.execute(query).fetchone()
    return (row[0], row[1]) if row and row[0] is not None else None


def _masked(hashed: sql.Composed, bits: int) -> sql.Composed:
    return sql.SQL("({} & {})::pg_catalog.int4").format(hashed, _int8((1 << bits) - 1))


def _int8(number: int) -> sql.Composed:
    # In quotes: the smallest one has no literal of its own.
    return sql.SQL("{}::pg_catalog.int8").format(sql.Literal(str(number)))


def _differing(old: dict[int, Sums], new: dict[int, Sums]) -> list[int]:
    return sorted(b for b in old.keys() | new.keys() if old.get(b) != new.get(b))


def _groups(differing: Sequence[int], old: dict[int, Sums], new: dict[int, Sums]) -> Iterator[list[int]]:
    """The differing buckets in groups of about `ROWS_AT_A_TIME` rows, which bounds the memory."""
    group: list[int] = []
    size = 0
    for bucket in differing:
        rows = max(old.get(bucket, NO_ROWS)[0], new.get(bucket, NO_ROWS)[0])
        if group and size + rows > ROWS_AT_A_TIME:
            yield group
            group, size = [], 0
        group.append(bucket)
        size += rows
    if group:
        yield group
