"""How the rows of one table differ between two servers: inserted, updated, deleted, without moving the rows.

Both servers hash their rows and add them up in buckets by the hash of the key. Only buckets that differ are looked at
row by row, and then only hashes travel, a bounded number at a time. A table without a key is compared as a multiset:
a changed row is then one deleted and one inserted, because nothing says that they are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from ringfence.integrity.expression import Column, row_hashes, rows_of
from ringfence.integrity.fingerprint import Table
from ringfence.integrity.model import RowChanges, Seeds
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection, QueryError, error_text

MOST_BUCKETS = 1 << 16
ROWS_AT_A_TIME = 200_000


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two tables: a session that sees it and the table as that server's catalog has it."""

    connection: Connection
    table: Table


def row_changes(before: Side, after: Side, seeds: Seeds) -> RowChanges | None:
    """Count what happened to the rows from ``before`` to ``after``.

    None where the columns themselves differ: then a row here has no counterpart there. Raises QueryError.
    """
    if _shape(before.table) != _shape(after.table):
        return None
    key = _key_columns(before) or _key_columns(after)
    try:
        return _compare(before, after, key, seeds)
    except psycopg.Error as error:
        raise QueryError(f"comparing the rows of {before.table.name.name}: {error_text(error)}") from error


def _shape(table: Table) -> list[tuple[str, str | None, str | None]]:
    return [(c.name, c.type, c.element) for c in table.columns]


def _key_columns(side: Side) -> tuple[str, ...]:
    query = queries.load("ringfence.integrity", "key_columns")
    row = side.connection.execute(query, {"oid": side.table.oid}).fetchone()
    return tuple(row[0]) if row else ()


def _compare(before: Side, after: Side, key: Sequence[str], seeds: Seeds) -> RowChanges:
    rows = max(_estimate(before), _estimate(after), 1)
    buckets = min(MOST_BUCKETS, max(16, 1 << (rows // 50).bit_length()))
    old, new = (_buckets(s, key, seeds, buckets) for s in (before, after))
    differing = sorted(b for b in old.keys() | new.keys() if old.get(b) != new.get(b))
    inserted = updated = deleted = 0
    for group in _groups(differing, old, new):
        here, there = (_rows(s, key, seeds, buckets, group) for s in (before, after))
        if key:
            gone, come = here.keys() - there.keys(), there.keys() - here.keys()
            # A key that is there twice cannot be, unless its index is broken; the counts of rows then tell.
            updated += sum(1 for k in here.keys() & there.keys() if here[k] != there[k])
            deleted += sum(sum(here[k].values()) for k in gone)
            inserted += sum(sum(there[k].values()) for k in come)
        else:
            for k in here.keys() | there.keys():
                a, b = here.get(k, Counter()), there.get(k, Counter())
                deleted += (a - b).total()
                inserted += (b - a).total()
    return RowChanges(inserted=inserted, updated=updated, deleted=deleted)


def _estimate(side: Side) -> int:
    # 8 kB blocks of rows of some 80 bytes; only the number of buckets depends on it.
    return side.table.blocks * 100


def _hashed(side: Side, key: Sequence[str], seeds: Seeds) -> sql.Composed:
    """``SELECT k1, k2, h1, h2``: the hashes of key and row; without a key the row is its own key."""
    columns = side.table.columns
    keys: list[Column] = [c for c in columns if c.name in set(key)]
    name = side.table.name
    hashes = row_hashes(columns, seeds)
    # The key's hashes need the same source as the row's: the columns of the key are part of the row.
    key_hashes = row_hashes(columns, seeds, only={c.name for c in keys}) if keys else hashes
    return sql.SQL("SELECT {} AS k1, {} AS k2, {} AS h1, {} AS h2 FROM {}").format(
        key_hashes.first, key_hashes.second, hashes.first, hashes.second, rows_of(name.schema, name.name, hashes)
    )


def _buckets(side: Side, key: Sequence[str], seeds: Seeds, buckets: int) -> dict[int, tuple[int, int, int]]:
    query = sql.SQL(
        "SELECT (k1 & {mask})::pg_catalog.int4, pg_catalog.count(*), pg_catalog.sum(h1), pg_catalog.sum(h2) "
        "FROM ({hashed}) AS __hashed GROUP BY 1"
    ).format(mask=sql.Literal(buckets - 1), hashed=_hashed(side, key, seeds))
    return {b: (n, int(first), int(second)) for b, n, first, second in side.connection.execute(query).fetchall()}


def _rows(
    side: Side, key: Sequence[str], seeds: Seeds, buckets: int, group: Sequence[int]
) -> dict[tuple[int, int], Counter[tuple[int, int]]]:
    query = sql.SQL(
        "SELECT k1, k2, h1, h2 FROM ({hashed}) AS __hashed WHERE (k1 & {mask}) = ANY ({group}::pg_catalog.int8[])"
    ).format(mask=sql.Literal(buckets - 1), hashed=_hashed(side, key, seeds), group=sql.Literal(list(group)))
    found: dict[tuple[int, int], Counter[tuple[int, int]]] = {}
    for k1, k2, h1, h2 in side.connection.execute(query).fetchall():
        found.setdefault((k1, k2), Counter())[(h1, h2)] += 1
    return found


def _groups(
    differing: Sequence[int], old: dict[int, tuple[int, int, int]], new: dict[int, tuple[int, int, int]]
) -> Iterator[list[int]]:
    """The differing buckets in groups of about `ROWS_AT_A_TIME` rows, which bounds the memory."""
    group: list[int] = []
    size = 0
    for bucket in differing:
        rows = max(old.get(bucket, (0, 0, 0))[0], new.get(bucket, (0, 0, 0))[0])
        if group and size + rows > ROWS_AT_A_TIME:
            yield group
            group, size = [], 0
        group.append(bucket)
        size += rows
    if group:
        yield group
