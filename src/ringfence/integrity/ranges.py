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
