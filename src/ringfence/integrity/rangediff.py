"""Which rows of a table differ, where it is known in which ranges of its blocks they lie.

The baseline has a digest of every range of production's blocks. Where all ranges but some are shown to have their old
digests, by the WAL or by reading them again, the rows that differ are among those that lie in these ranges now, and
those that lay there then. The former are read. The latter are looked for in the reference by the keys of the former;
rows that were deleted are looked for beside them, because a dump has rows in the order in which they lay, and are those
whose key production does not have any more. What was found is *all that lay there* exactly when it adds up to the
baseline's digests of these ranges: the search may use any guess, as the sum decides. So the reference needs no proof
either: its rows are used as far as they are shown to be the baseline's.

Where nothing adds up, or too many rows are concerned, `compare_ranges` gives None and all rows are compared
(`rowdiff`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from ringfence.integrity import fingerprint, ranges
from ringfence.integrity.expression import TABLE, Column
from ringfence.integrity.fingerprint import Part
from ringfence.integrity.model import RowChanges, Seeds, Sums, TableRanges
from ringfence.integrity.rowpairs import (
    NO_COLUMN_CHANGES,
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
from ringfence.postgres.connection import Connection, QueryError, error_text

FEW_ROWS = 20_000
MOST_ROWS = 200_000
"""Rows in ranges that differ: as few as `FEW_ROWS` are looked up whatever the size of the table, more only where they
are a small part of it (`_SHARE`), because comparing all rows costs less than looking up many."""
_SHARE = 16
FEW_BLOCKS = 4 * fingerprint.PIECE_BLOCKS
"""Ranges within which rows may differ are read once more, one by one: so many blocks of them, or half of the table."""
_KEYS_AT_ONCE = 5_000
_NEAR_BLOCKS = 1
_SLACKS = (16, 256)
"""How far from where a range should lie in the reference, in blocks, deleted rows are looked for: first, and then."""
_JOINED_BLOCKS = 8
"""Places to look at that are this close are read as one: more rows than needed do no harm there."""
_MOST_GUESSED = fingerprint.PIECE_BLOCKS
_KEY_TYPES = frozenset(
    ("int2", "int4", "int8", "oid", "text", "varchar", "bpchar", "uuid", "date", "timestamp", "timestamptz")
)
"""Types whose equality is PostgreSQL's own and whose text gives back the same value. Others compare all rows."""
_TEXTS = frozenset(("text", "varchar", "bpchar"))
_TRAVELLING = frozenset(("UTF8", "LATIN1"))
"""Encodings of a server of which every text can be sent as UTF-8; others have bytes that stand for no character."""


class _Keyed(NamedTuple):
    """A row, and the values of its key as text."""

    row: RowAt
    key: tuple[str, ...]


class _NoIndexError(Exception):
    """A server would look a key up by reading the whole table: for every key anew."""


class RangeComparison:
    """The rows of one table compared; see `compare_ranges`."""

    def __init__(self, columns: tuple[Column, ...], key: tuple[str, ...], changes: Sequence[RowChange]) -> None:
        self.columns, self.key = columns, key
        self.column_changes = NO_COLUMN_CHANGES
        self._changes = changes

    def changes(self) -> Iterator[RowChange]:
        """Every row that differs."""
        return iter(self._changes)

    def counts(self) -> RowChanges:
        """How many rows came, changed and went."""
        return count_changes(self._changes)


def compare_ranges(
    baseline: TableRanges, seeds: Seeds, pristine: Side, after: Side, numbers: Sequence[int]
) -> RangeComparison | None:
    """The rows of one table compared, given the ranges outside of which none differs.

    ``numbers`` are ranges of ``baseline``; all others, and all blocks behind the last one, must have been shown to hold
    what they held. None where this way is not open or does not lead anywhere. Raises QueryError.
    """
    columns, column_changes = common_columns(pristine.table, after.table)
    key = key_columns(pristine)
    if column_changes or not key or key != key_columns(after) or not _is_plain(columns, key, (pristine, after)):
        return None
    if len(numbers) * baseline.range_blocks > max(FEW_BLOCKS, after.table.blocks // 2):
        return None
    try:
        found = _Search(baseline, seeds, pristine, after, columns, key).changes(numbers)
    except _NoIndexError:
        return None
    except psycopg.Error as error:
        raise QueryError(f"comparing the rows of {after.table.name.name}: {error_text(error)}") from error
    return None if found is None else RangeComparison(columns, key, found)


class _Search:
    """The rows in ranges of production's blocks as they are, and as they were."""

    def __init__(
        self,
        baseline: TableRanges,
        seeds: Seeds,
        pristine: Side,
        after: Side,
        columns: tuple[Column, ...],
        key: tuple[str, ...],
    ) -> None:
        self._baseline, self._seeds = baseline, seeds
        self._pristine, self._after = pristine, after
        self._hashes = Hashes.of(columns, key, seeds)
        types = {c.name: str(c.type) for c in columns}
        self._key = tuple((name, types[name]) for name in key)

    def changes(self, numbers: Sequence[int]) -> list[RowChange] | None:
        """Every row that differs; None where the old ones are not found."""
        exact, now = self._narrowed(numbers)
        wanted = ranges.add(self._old(n) for n in exact)
        total = ranges.add(self._baseline.digests)[0]
        if max(wanted[0], now[0]) > min(MOST_ROWS, max(FEW_ROWS, total // _SHARE)):
            return None
        size = self._baseline.range_blocks
        new = self._rows(self._after, _joined(((n * size, (n + 1) * size) for n in exact), gap=0))
        if _sums(k.row for k in new) != now:
            raise QueryError(f"the rows of {self._after.table.name.name} do not add up to their own digest")
        old = {row.place: row for _, row in self._looked_up(self._pristine, [k.key for k in new])}
        if _sums(old.values()) != wanted:
            gone = self._gone(exact, old, wanted)
            if gone is None:
                return None
            old |= {row.place: row for row in gone}
        return list(pair(list(old.values()), [k.row for k in new]))

    def _narrowed(self, numbers: Sequence[int]) -> tuple[list[int], Sums]:
        """Those ranges of some that differ, and the digest of the rows in them."""
        part = Part(table=self._after.table, range_blocks=self._baseline.range_blocks, numbers=tuple(numbers))
        found = fingerprint.digest_here(self._after.connection, [part], self._seeds)[self._after.table.name]
        exact = [n for n in sorted(found) if found[n] != ranges.add([self._old(n)])]
        return exact, ranges.add(found[n] for n in exact)

    def _old(self, number: int) -> Sums:
        digests = self._baseline.digests
        return digests[number] if number < len(digests) else ranges.NO_ROWS

    def _gone(self, exact: Sequence[int], old: dict[str, RowAt], wanted: Sums) -> list[RowAt] | None:
        """Rows of the reference that lay in these ranges and are not in production; None where they are not found.

        Rows lie in the reference in about the order in which they lay in production, so they are looked for near the
        rows that are still there, and where the rows of the range should be.
        """
        if wanted[0] <= len(old):
            return None
        near = [(b - _NEAR_BLOCKS, b + _NEAR_BLOCKS + 1) for b in {_block(place) for place in old}]
        for guess in (near, *([*near, *self._expected(exact, slack)] for slack in _SLACKS)):
            end = self._pristine.table.blocks
            within = ((max(0, first), min(last, end)) for first, last in guess if first < end and last > 0)
            areas = _joined(within, gap=_JOINED_BLOCKS)
            if not areas or sum(end - start for start, end in areas) > _MOST_GUESSED:
                continue
            found = self._rows(self._pristine, areas, most=MOST_ROWS)
            if len(found) > MOST_ROWS:
                return None
            candidates = [k for k in found if k.row.place not in old]
            there = {n for n, _ in self._looked_up(self._after, [k.key for k in candidates])}
            gone = [k.row for n, k in enumerate(candidates) if n not in there]
            if _sums([*old.values(), *gone]) == wanted:
                return gone
        return None

    def _expected(self, exact: Sequence[int], slack: int) -> Iterator[tuple[int, int]]:
        """Blocks of the reference where the rows of these ranges should lie if all rows were equally long."""
        before, rows_before = 0, [0]
        for rows, _, _ in self._baseline.digests:
            before += rows
            rows_before.append(before)
        for number in exact:
            if number < len(self._baseline.digests):
                first, last = (rows_before[n] * self._pristine.table.blocks // before for n in (number, number + 1))
                yield first - slack, last + slack + 1

    def _rows(self, side: Side, areas: Iterable[tuple[int, int]], *, most: int | None = None) -> list[_Keyed]:
        """The rows in some ranges of blocks, from the first up to, not including, the second.

        More than ``most`` are not fetched: one more says that there are more.
        """
        names = [name for name, _ in self._key]
        found: list[_Keyed] = []
        for area in areas:
            if most is not None and len(found) > most:
                break
            query = self._hashes.query(side.table.name, blocks=area, texts=names)
            if most is not None:
                query = sql.SQL("{} LIMIT {}").format(query, sql.Literal(most + 1 - len(found)))
            rows = side.connection.execute(query).fetchall()
            found += [_Keyed(row=row_at(*values[:5]), key=tuple(values[5:])) for values in rows]
        return found

    def _looked_up(self, side: Side, keys: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, RowAt]]:
        """The rows with these keys, each with the number of its key, by the index that keeps the key unique."""
        wanted = [sql.Identifier(f"k{number}") for number in range(len(self._key))]
        condition = sql.SQL(" AND ").join(
            sql.SQL("{}.{} = __wanted.{}").format(TABLE, sql.Identifier(name), own)
            for (name, _), own in zip(self._key, wanted, strict=True)
        )
        rows = self._hashes.query(side.table.name, where=condition)

        def query(some: Sequence[tuple[str, ...]]) -> sql.Composed:
            columns = sql.SQL(", ").join(
                sql.SQL("pg_catalog.unnest({}::pg_catalog.text[]::{}[])").format(
                    sql.Literal([k[number] for k in some]), sql.Identifier("pg_catalog", type_)
                )
                for number, (_, type_) in enumerate(self._key)
            )
            return sql.SQL(
                "SELECT __wanted.n, __found.* FROM ROWS FROM ({}) WITH ORDINALITY AS __wanted ({}, n), "
                "LATERAL ({}) AS __found"
            ).format(columns, sql.SQL(", ").join(wanted), rows)

        if not keys:
            return
        with _by_index(side.connection):
            _require_index(side.connection, query(keys[:1]))
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                for n, *values in side.connection.execute(query(keys[start : start + _KEYS_AT_ONCE])):
                    yield start + n - 1, row_at(*values)


@contextlib.contextmanager
def _by_index(connection: Connection) -> Iterator[None]:
    """Some thousand rows of a large table are found by its index, whatever the planner thinks of a table that was just
    restored and not analyzed. A savepoint, because going back to it brings back the session's own settings."""
    with connection.transaction(force_rollback=True):
        connection.execute(_SET_WAYS)
        yield


_SET_WAYS = sql.SQL("SELECT {}").format(
    sql.SQL(", ").join(
        sql.SQL("pg_catalog.set_config({}, {}, true)").format(sql.Literal(f"enable_{way}"), sql.Literal(value))
        for value, ways in (
            ("off", ("seqscan", "hashjoin", "mergejoin")),
            ("on", ("indexscan", "bitmapscan", "nestloop")),
        )
        for way in ways
    )
)


def _require_index(connection: Connection, query: sql.Composed) -> None:
    """Raise unless the server has an index for it: one may be of another collation, or younger than an old snapshot."""
    plan = connection.execute(sql.SQL("EXPLAIN (COSTS off) {}").format(query)).fetchall()
    if any("Seq Scan" in str(line) for (line,) in plan):
        raise _NoIndexError


def _is_plain(columns: Sequence[Column], key: Sequence[str], sides: Sequence[Side]) -> bool:
    types = {c.type for c in columns if c.name in key}
    if not types <= _KEY_TYPES:
        return False
    encodings = {s.connection.info.parameter_status("server_encoding") for s in sides}
    return not types & _TEXTS or (len(encodings) == 1 and encodings <= _TRAVELLING)


def _sums(rows: Iterable[RowAt]) -> Sums:
    return ranges.add((1, *row.row) for row in rows)


def _block(place: str) -> int:
    return int(place[1:].partition(",")[0])


def _joined(areas: Iterable[tuple[int, int]], *, gap: int) -> list[tuple[int, int]]:
    """Ranges of blocks in order, those made one that touch or are at most ``gap`` blocks apart."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(areas):
        if joined and first <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined
