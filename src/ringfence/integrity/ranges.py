"""Digests of ranges of blocks: how large the ranges are, how they add up, how they stand in a manifest (pure)."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from ringfence.integrity.model import Sums, TableBody, TableDigest, TableName, TableRanges

RANGE_BLOCKS = 128
"""1 MB with the usual block size. Each range begins its read-ahead anew: with 32 blocks a baseline took twice as long
(PostgreSQL 18, 1.5 million rows), with 64 half as long again, with 128 no longer than in one scan."""
MOST_RANGES = 1 << 16
"""Of one table: 64 GB of it have 2 MB of digests in the manifest; larger tables have larger ranges."""

NO_ROWS: Sums = (0, 0, 0)
_MASK = (1 << 64) - 1
_PACKED = struct.Struct(">QQQ")


def range_blocks(blocks: int) -> int:
    """How many blocks a range of a table of so many blocks has: a power of two."""
    size = RANGE_BLOCKS
    while size * MOST_RANGES < blocks:
        size *= 2
    return size


def add(parts: Iterable[Sums]) -> Sums:
    """The digest of all rows of the parts."""
    rows = first = second = 0
    for part in parts:
        rows, first, second = rows + part[0], first + part[1], second + part[2]
    return rows, first & _MASK, second & _MASK


def table_digest(table: TableName, sums: Sums) -> TableDigest:
    """The digest as it is compared and shown."""
    return TableDigest(table=table, rows=sums[0], fingerprint=f"{sums[1] & _MASK:016x}{sums[2] & _MASK:016x}")


def with_ranges(before: TableRanges, again: Mapping[int, Sums]) -> Sums:
    """The digest of a table whose ranges are as ``before`` but for those that were hashed ``again``, by number.

    Numbers beyond the last range are blocks that the table did not have.
    """
    kept = (sums for number, sums in enumerate(before.digests) if number not in again)
    return add((*kept, *again.values()))


def coarse(before: TableRanges, blocks: int) -> int:
    """How many blocks a range has that is some whole ranges of ``before``, about ``blocks`` of them.

    For reading all rows where only what differs is of interest: a scan of few large ranges takes a fifth less time than
    one of many small ones, each of which begins its read-ahead anew (PostgreSQL 18, ten million rows).
    """
    return before.range_blocks * max(1, blocks // before.range_blocks)


def within(before: TableRanges, again: Mapping[int, Sums], size: int) -> tuple[int, ...]:
    """The ranges of ``before``, by number, within which rows may have changed: those of the coarse ranges of ``size``
    blocks that differ. ``again`` holds all coarse ranges that there are now. All other ranges have their old digests.
    """
    parts = size // before.range_blocks
    numbers: list[int] = []
    for number in range(max(-(-len(before.digests) // parts), max(again, default=-1) + 1)):
        first = number * parts
        if add(before.digests[first : first + parts]) != add([again.get(number, NO_ROWS)]):
            numbers += range(first, first + parts)
    return tuple(numbers)


def to_json(ranges: TableRanges) -> dict[str, Any]:
    """One table's ranges for a manifest; 32 characters for each."""
    body = ranges.body
    packed = b"".join(_PACKED.pack(rows, first & _MASK, second & _MASK) for rows, first, second in ranges.digests)
    return {
        "schema": ranges.table.schema,
        "name": ranges.table.name,
        "oid": body.oid,
        "filenode": body.filenode,
        "toast_filenode": body.toast_filenode,
        "logged": body.logged,
        "heap": body.heap,
        "layout": body.layout,
        "range_blocks": ranges.range_blocks,
        "digests": base64.b64encode(packed).decode("ascii"),
    }


def from_json(document: Mapping[str, Any]) -> TableRanges:
    """Read what `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    packed = base64.b64decode(document["digests"], validate=True)
    if len(packed) % _PACKED.size or int(document["range_blocks"]) < 1:
        raise ValueError("torn digests of ranges")
    return TableRanges(
        table=TableName(schema=document["schema"], name=document["name"]),
        body=TableBody(
            oid=int(document["oid"]),
            filenode=int(document["filenode"]),
            toast_filenode=int(document["toast_filenode"]),
            logged=document["logged"] is True,
            heap=document["heap"] is True,
            layout=document["layout"],
        ),
        range_blocks=int(document["range_blocks"]),
        digests=tuple((a, b, c) for a, b, c in _PACKED.iter_unpack(packed)),
    )
