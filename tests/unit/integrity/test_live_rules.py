"""What a live application may have done, decided from what was written and what is not believed."""

from __future__ import annotations

import pytest

from ringfence.integrity.attribution import Application, Stranger, Written
from ringfence.integrity.live_rules import Attribution, is_application, judge, needs_rows, untold
from ringfence.integrity.model import RowChanges, TableDigest, TableName, TableRule

TABLE = TableName(schema="public", name="part")
OLD, NEW = (TableDigest(table=TABLE, rows=n, fingerprint=str(n)) for n in (10, 12))
LIVE, GROWING, EXACT = (TableRule(rule=r) for r in ("live", "append-only", "exact"))


def wrote(strangers: tuple[Stranger, ...] = (), **operations: int) -> Attribution:
    written = Written(application=operations, transactions=1, strangers=strangers)
    return Attribution(tables={TABLE: written}, doubts={})


STRANGER = Stranger(xid=815, operations={"update": 1}, said="role x from 10.0.0.7, psql")
DOUBTED = Attribution(tables={}, doubts={TABLE: "its file was replaced"})


@pytest.mark.parametrize(
    ("rule", "live", "changes", "verdict", "said"),
    [
        (LIVE, wrote(insert=2, update=1), None, "allowed", "2 inserted, 1 updated by the application in 1 transaction"),
        (LIVE, wrote((STRANGER,), insert=2), None, "changed", "1 updated by transaction 815, which is not"),
        (LIVE, wrote(insert=1, other=1), None, "unknown", "how is not known"),
        (LIVE, wrote(), None, "unknown", "nothing in the WAL says why"),
        (LIVE, untold("it was not kept"), None, "unknown", "it was not kept"),
        (LIVE, DOUBTED, None, "unknown", "its file was replaced"),
        (LIVE, wrote(delete=1), None, "unknown", "nothing may delete"),
        (
            LIVE,
            wrote(delete=1),
            RowChanges(inserted=3, updated=0, deleted=1),
            "changed",
            "1 of the baseline's rows gone",
        ),
        (LIVE, wrote(insert=3, delete=1), RowChanges(inserted=2, updated=0, deleted=0), "allowed", "insert and update"),
        (GROWING, wrote(insert=2), None, "allowed", "it may grow"),
        (GROWING, wrote((STRANGER,), insert=2), None, "changed", "815"),
        (GROWING, untold("it was not kept"), None, "unknown", "it was not kept"),
        (EXACT, wrote(insert=2), None, "changed", "plain"),
    ],
)
def test_the_verdict(rule, live, changes, verdict, said):
    plain = ("changed" if rule is EXACT else "unknown", "plain words")
    found = judge(TABLE, OLD, NEW, rule=rule, changes=changes, live=live, plain=plain)
    assert found[0] == verdict and said in found[1], found


def test_a_change_that_append_only_forbids_stays_one_whoever_made_it():
    found = judge(
        TABLE, OLD, OLD, rule=GROWING, changes=None, live=wrote(update=1), plain=("changed", "it may only grow")
    )
    assert found == ("changed", "it may only grow")


def test_rows_are_compared_only_where_the_wal_says_too_little():
    assert not needs_rows(TABLE, LIVE, wrote(insert=1, update=5))
    assert not needs_rows(TABLE, GROWING, wrote(insert=1))
    for rule, live in (
        (LIVE, None),
        (LIVE, wrote(delete=1)),
        (LIVE, wrote((STRANGER,), insert=1)),
        (GROWING, wrote(insert=1, update=1)),
        (LIVE, untold("x")),
        (LIVE, DOUBTED),
        (EXACT, wrote(insert=1)),
    ):
        assert needs_rows(TABLE, rule, live)


def test_whose_session_it_is():
    anywhere = Application(role="app")
    bound = Application(role="app", clients=("10.0.0.0/24", "fd00::/8"))
    local = Application(role="app", clients=("local",))
    assert is_application(anywhere, role="app", address="1.2.3.4")
    assert is_application(bound, role="app", address="10.0.0.9") and is_application(
        bound, role="app", address="fd00::1"
    )
    assert is_application(local, role="app", address=None)
    for application, role, address in (
        (None, "app", None),
        (anywhere, "other", None),
        (bound, "app", "10.0.1.9"),
        (bound, "app", None),
        (local, "app", "127.0.0.1"),
    ):
        assert not is_application(application, role=role, address=address)
