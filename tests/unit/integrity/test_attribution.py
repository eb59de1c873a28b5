"""The account of who wrote: by transaction, through subtransactions, two phases and rollbacks."""

from __future__ import annotations

import json

from ringfence.integrity.attribution import NOTHING_WRITTEN, Ledger, Stranger, Written

TABLE, OTHER_TABLE, WITNESS = 100, 101, 900


def ledger(*records: tuple[int, str, str, tuple[int, ...]]) -> dict[int, Written]:
    """Records as (transaction, ``Manager KIND``, description, files)."""
    found = Ledger(witness=WITNESS, files={TABLE, OTHER_TABLE})
    for xid, what, description, files in records:
        manager, kind = what.split(" ")
        found.record(xid=xid, manager=manager, kind=kind, description=description, files=files)
    return dict(found.written())


def test_a_witnessed_transaction_is_the_applications():
    written = ledger(
        (7, "Heap INSERT", "", (TABLE,)),
        (7, "Heap LOCK", "", (WITNESS,)),
        (7, "Heap HOT_UPDATE+INIT", "", (TABLE,)),
        (7, "Transaction COMMIT", "2026-11-24 10:00:00 UTC", ()),
    )
    assert written == {TABLE: Written(application={"insert": 1, "update": 1}, transactions=1, strangers=())}


def test_the_witness_may_come_after_the_commit_of_others_but_not_of_its_own():
    written = ledger(
        (7, "Heap INSERT", "", (TABLE,)),
        (8, "Heap LOCK", "", (WITNESS,)),
        (7, "Transaction COMMIT", "2026", ()),
        (7, "Heap LOCK", "", (WITNESS,)),
        (8, "Transaction COMMIT", "2026", ()),
    )
    assert written[TABLE].strangers == (Stranger(xid=7, operations={"insert": 1}, said=None),)
    assert not written[TABLE].application


def test_subtransactions_are_of_their_transaction():
    written = ledger(
        (8, "Heap DELETE", "", (TABLE,)),
        (9, "Heap LOCK", "", (WITNESS,)),
        (9, "Heap2 MULTI_INSERT", "", (OTHER_TABLE,)),
        (7, "Transaction COMMIT", "2026-11-24 10:00:00 UTC; rels: base/5/9; subxacts: 8 9; inval msgs: catcache 1", ()),
    )
    assert {f: w.application for f, w in written.items()} == {TABLE: {"delete": 1}, OTHER_TABLE: {"insert": 1}}


def test_a_witness_that_was_rolled_back_witnesses_nothing():
    written = ledger(
        (8, "Heap LOCK", "", (WITNESS,)),
        (8, "Heap UPDATE", "", (TABLE,)),
        (8, "Transaction ABORT", "2026-11-24 10:00:00 UTC", ()),
        (7, "Heap INSERT", "", (TABLE,)),
        (7, "Transaction COMMIT", "2026", ()),
    )
    assert written[TABLE] == Written(
        application={}, transactions=0, strangers=(Stranger(xid=7, operations={"insert": 1}, said=None),)
    )


def test_prepared_transactions_end_by_the_number_they_name():
    records = (
        (7, "Heap INSERT", "", (TABLE,)),
        (7, "Transaction PREPARE", "gid p; COMMIT 8: subxacts: 8", ()),
        (8, "Heap INSERT", "", (OTHER_TABLE,)),
    )
    committed = ledger(*records, (0, "Transaction COMMIT_PREPARED", "7: 2026; subxacts: 8", ()))
    assert set(committed) == {TABLE, OTHER_TABLE}
    assert ledger(*records, (0, "Transaction ABORT_PREPARED", "7: 2026; subxacts: 8", ())) == {}
    assert ledger(*records) == {}, "what never ended, as after a crash, was never seen"


def test_what_leaves_rows_as_they_are_is_passed_over_and_what_is_not_known_is_not():
    quiet = ("Heap LOCK", "Heap2 PRUNE_ON_ACCESS", "Heap2 FREEZE_PAGE", "Heap2 VISIBLE", "XLOG FPI_FOR_HINT")
    assert ledger(*((0, what, "", (TABLE,)) for what in quiet)) == {}
    for what in ("XLOG FPI", "Generic GENERIC", "Heap SOMETHING_NEW"):
        assert ledger((0, what, "", (TABLE,)))[TABLE].strangers[0].xid is None
    assert ledger((7, "Heap INSERT", "", (555,)), (7, "Transaction COMMIT", "2026", ())) == {}


def test_what_a_session_says_of_itself_is_kept_for_the_report_only():
    found = Ledger(witness=WITNESS, files={TABLE})
    found.said(7, b"{not json")
    found.said(7, json.dumps({"role": "x\ny", "address": "10.0.0.7", "application": "psql"}).encode())
    found.record(xid=7, manager="Heap", kind="INSERT", description="", files=[TABLE])
    found.record(xid=7, manager="Transaction", kind="COMMIT", description="2026", files=[])
    said = found.written()[TABLE].strangers[0].said
    assert said is not None and said.startswith("role x") and "\n" not in said and said.endswith("from 10.0.0.7, psql")
    assert NOTHING_WRITTEN.application == {}
