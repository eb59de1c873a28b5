"""Digests of ranges add up, and come back from a manifest as they were."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ringfence.integrity import ranges
from ringfence.integrity.model import TableBody, TableName, TableRanges

BODY = TableBody(oid=16384, filenode=16390, toast_filenode=0, logged=True, heap=True, layout="ab" * 16)
HIGH = (1 << 64) - 1
TABLE = TableRanges(
    table=TableName(schema='s"x', name="a\nb"),
    body=BODY,
    range_blocks=32,
    digests=((3, 5, HIGH), (0, 0, 0), (2, HIGH, 7)),
)


def test_sums_are_taken_modulo_two_to_the_64():
    assert ranges.add(TABLE.digests) == (5, 4, 6)
    assert ranges.add([]) == ranges.NO_ROWS
    assert ranges.table_digest(TABLE.table, (5, 4, 6)).fingerprint == f"{4:016x}{6:016x}"


def test_a_range_that_was_hashed_again_takes_the_place_of_the_old_one():
    assert ranges.with_ranges(TABLE, {}) == ranges.add(TABLE.digests)
    assert ranges.with_ranges(TABLE, {0: (1, 1, 1)}) == ranges.add([(1, 1, 1), *TABLE.digests[1:]])
    assert ranges.with_ranges(TABLE, {9: (1, 1, 1)}) == ranges.add([*TABLE.digests, (1, 1, 1)])


def test_a_row_that_moved_to_another_range_cancels():
    moved = {0: (2, 5 - 4, HIGH - 9), 2: (3, HIGH + 4, 7 + 9)}
    assert ranges.with_ranges(TABLE, moved) == ranges.add(TABLE.digests)


def test_a_manifest_gives_back_what_it_was_given():
    document = json.loads(json.dumps(ranges.to_json(TABLE)))
    assert ranges.from_json(document) == TABLE


@pytest.mark.parametrize("change", [{"digests": "AAAA"}, {"digests": "!"}, {"range_blocks": 0}, {"oid": "x"}])
def test_a_torn_manifest_is_an_error(change):
    with pytest.raises((ValueError, KeyError, TypeError)):
        ranges.from_json(ranges.to_json(TABLE) | change)


def test_large_tables_have_larger_ranges_and_not_more_of_them():
    assert ranges.range_blocks(0) == ranges.range_blocks(1_000_000) == ranges.RANGE_BLOCKS
    for blocks in (10**7, 10**8, 4 * 10**9):
        size = ranges.range_blocks(blocks)
        assert -(-blocks // size) <= ranges.MOST_RANGES and size & (size - 1) == 0


def test_a_body_is_compared_whole():
    assert replace(BODY, filenode=1) != BODY
