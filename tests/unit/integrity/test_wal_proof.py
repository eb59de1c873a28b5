"""Which tables and ranges must be read again, and when the WAL must not be believed at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ringfence.integrity import wal_proof
from ringfence.integrity.fingerprint import Table
from ringfence.integrity.model import Observation, Seeds, TableName, TableRanges, WalMark
from ringfence.integrity.touched import Touched
from ringfence.integrity.wal_mark import SeenTransactions
from ringfence.postgres.identity import Identity

IDENTITY = Identity(
    system_identifier="7",
    database_oid=5,
    database="d",
    server_version_num=180004,
    server_version="18.4",
    timeline=1,
    data_directory=None,
    in_recovery=False,
    superuser=True,
)
MARK = WalMark(
    start="0/1000",
    first_xid=700,
    anchor="0/2000",
    anchor_xid=701,
    nonce="a" * 32,
    wal_level="replica",
    unsettled=(),
    slot="s",
    slot_note=None,
)
TABLE = Table(
    name=TableName(schema="public", name="t"),
    oid=100,
    filenode=200,
    blocks=90,
    of_extension=False,
    columns=(),
    toast_filenode=300,
    layout="x",
)
RANGES = TableRanges(table=TABLE.name, body=TABLE.body, range_blocks=32, digests=((1, 1, 1),) * 3)
BEFORE = Observation(
    identity=IDENTITY,
    seeds=Seeds(first=1, second=2),
    algorithm=1,
    wal_position="0/1000",
    locale={},
    tables=(),
    state={},
    ranges=(RANGES,),
    mark=MARK,
)


def touched(*blocks: int, overwritten: tuple[int, ...] = ()) -> Touched:
    return Touched(source="test", blocks={200: blocks}, overwritten=overwritten, doubt=None)


def test_blocks_lead_to_their_ranges():
    plan = wal_proof.plan(BEFORE, [TABLE], touched(0, 31, 64, 1000))
    assert (plan.whole, plan.ranges) == ({}, {TABLE.name: (0, 2, 31)})


def test_what_a_vacuum_gave_back_is_looked_at():
    assert wal_proof.plan(BEFORE, [replace(TABLE, blocks=20)], touched()).ranges == {TABLE.name: (1, 2)}


@pytest.mark.parametrize(
    "table, overwritten, why",
    [
        (replace(TABLE, filenode=201), (), "file was replaced"),
        (replace(TABLE, toast_filenode=301), (), "file was replaced"),
        (replace(TABLE, oid=101), (), "file was replaced"),
        (replace(TABLE, logged=False), (), "unlogged"),
        (replace(TABLE, heap=False), (), "extension"),
        (replace(TABLE, layout="y"), (), "columns differ"),
        (TABLE, (300,), "oversized values"),
        (replace(TABLE, name=TableName(schema="public", name="u")), (), "no ranges of it"),
    ],
)
def test_tables_that_are_read_whole(table, overwritten, why):
    plan = wal_proof.plan(BEFORE, [table], touched(overwritten=overwritten))
    assert why in plan.whole[table.name] and not plan.ranges


@pytest.mark.parametrize(
    "before, now, why",
    [
        (replace(BEFORE, mark=None), IDENTITY, "no mark"),
        (BEFORE, replace(IDENTITY, in_recovery=True), "standby"),
        (BEFORE, replace(IDENTITY, system_identifier="8"), "another server"),
        (BEFORE, replace(IDENTITY, database_oid=6), "another server or database"),
        (BEFORE, replace(IDENTITY, timeline=2), "timeline 2"),
        (BEFORE, replace(IDENTITY, server_version_num=190000), "another major"),
        (replace(BEFORE, state={"type": {"t": {"labels": ["a"]}}}), IDENTITY, "the schema differs"),
        (replace(BEFORE, state={"type": {"": {"unknown": "denied"}}}), IDENTITY, "could not be read in full"),
        (BEFORE, IDENTITY, "could not be compared in full"),
    ],
)
def test_obstacles(before, now, why):
    assert why in str(wal_proof.obstacle(before, now, {"type": {}}))


def test_no_obstacle():
    assert wal_proof.obstacle(BEFORE, IDENTITY, {}) is None


@pytest.mark.parametrize(
    "statuses, why",
    [
        ({}, None),
        ({5: "aborted"}, None),
        ({5: "aborted", 6: "committed"}, "6 was open when the baseline was taken, and was committed"),
        ({5: "in progress"}, "is still open"),
        ({5: None}, "is forgotten"),
    ],
)
def test_transactions_that_were_open(statuses, why):
    found = wal_proof.unsettled_obstacle(statuses)
    assert found is None if why is None else why in str(found)


def test_no_transaction_number_was_given_out():
    seen = SeenTransactions(oldest=702, next=702, open=())
    assert wal_proof.nothing_was_written(MARK, seen, {}, {"s": "reserved"})
    assert not wal_proof.nothing_was_written(MARK, replace(seen, next=703), {}, {"s": "reserved"})
    assert not wal_proof.nothing_was_written(MARK, replace(seen, next=701), {}, {"s": "reserved"})
    assert not wal_proof.nothing_was_written(replace(MARK, anchor_xid=702), replace(seen, next=703), {}, {"s": ""})
    assert not wal_proof.nothing_was_written(replace(MARK, unsettled=(3,)), seen, {}, {"s": "reserved"})
    assert not wal_proof.nothing_was_written(MARK, seen, {}, {})
    assert not wal_proof.nothing_was_written(replace(MARK, slot=None), seen, {}, {})
    assert not wal_proof.nothing_was_written(MARK, seen, {"extension": {"pg_surgery": {}}}, {"s": "reserved"})


@pytest.mark.parametrize(
    "position, level, size, why",
    [
        ("0/3000", "replica", 0, None),
        ("0/3000", "minimal", 0, "minimal"),
        ("0/1800", "replica", 0, "before the baseline's mark"),
        ("1/0", "replica", 0, "reading all rows is cheaper"),
        ("1/0", "replica", 1 << 40, None),
        ("nonsense", "replica", 0, "before the baseline's mark"),
    ],
)
def test_wal_that_is_not_worth_reading(position, level, size, why):
    found = wal_proof.wal_obstacle(MARK, position, level, size)
    assert found is None if why is None else why in str(found)
