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


def test_coarse_ranges_are_whole_ranges():
    assert ranges.coarse(TABLE, 4096) == 4096 and ranges.coarse(TABLE, 100) == 96
    assert ranges.coarse(TABLE, 1) == TABLE.range_blocks


def test_rows_may_differ_within_coarse_ranges_that_do():
    same = {0: ranges.add(TABLE.digests[:2]), 1: TABLE.digests[2]}
    assert ranges.within(TABLE, same, 64) == ()
    assert ranges.within(TABLE, same | {1: (2, HIGH, 8)}, 64) == (2, 3)
    assert ranges.within(TABLE, same | {0: (3, 6, HIGH)}, 64) == (0, 1)
    assert ranges.within(TABLE, {0: same[0]}, 64) == (2, 3), "the table became shorter"
    assert ranges.within(TABLE, same | {2: (1, 1, 1)}, 64) == (4, 5), "it became longer"
    assert ranges.within(TABLE, same | {2: ranges.NO_ROWS}, 64) == ()
    assert ranges.within(TABLE, {0: ranges.NO_ROWS}, 64) == (0, 1, 2, 3)


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
