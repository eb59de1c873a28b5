"""The verdict on tables, identity and positions, and what ``verify --json`` prints of it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ringfence.integrity.compare import compare, comparison_json, differing, parse_lsn, table_text
from ringfence.integrity.model import Observation, RowChanges, Seeds, TableDigest, TableName, TableRule
from ringfence.postgres.identity import Identity

FILM = TableName(schema="public", name="film")
SKU = TableName(schema="public", name="SKU")
LOG = TableName(schema="audit", name="log")
IDENTITY = Identity(
    system_identifier="7423",
    database_oid=16384,
    database="inventory",
    server_version_num=180004,
    server_version="18.4",
    timeline=1,
    data_directory="/data",
    in_recovery=False,
    superuser=True,
)
APPEND_ONLY = TableRule(rule="append-only")
IGNORED = TableRule(rule="ignore", reason="a cache")


def observe(*tables, position="0/1000", seeds=(1, 2), algorithm=1, state=None, **identity):
    return Observation(
        identity=dataclasses.replace(IDENTITY, **identity),
        seeds=Seeds(first=seeds[0], second=seeds[1]),
        algorithm=algorithm,
        wal_position=position,
        locale={},
        tables=tuple(tables),
        state=state if state is not None else {},
    )


def digest(table, rows, fingerprint="a" * 32):
    return TableDigest(table=table, rows=rows, fingerprint=fingerprint)


def changed_rows(inserted=0, updated=0, deleted=0):
    return RowChanges(inserted=inserted, updated=updated, deleted=deleted)


def verdict_of(before, after, *, rule=None, changes=None):
    comparison = compare(
        before,
        after,
        rules={FILM: rule} if rule else {},
        changes={FILM: changes} if changes else {},
        proof="fingerprint",
    )
    return comparison.verdict, comparison.reasons


def test_equal_observations_are_unchanged():
    one = observe(digest(FILM, 1000), digest(SKU, 5))
    comparison = compare(one, one, rules={}, changes={}, proof="wal")
    assert (comparison.verdict, comparison.reasons, comparison.proof) == ("unchanged", (), "wal")
    assert [t.verdict for t in comparison.tables] == ["unchanged", "unchanged"]
    assert differing(one, one) == ()


def test_the_order_of_tables_means_nothing_and_the_result_is_sorted():
    before, after = observe(digest(SKU, 5), digest(LOG, 1)), observe(digest(LOG, 1), digest(SKU, 5))
    comparison = compare(before, after, rules={}, changes={}, proof="wal")
    assert comparison.verdict == "unchanged"
    assert [t.table for t in comparison.tables] == [LOG, SKU]


@pytest.mark.parametrize(
    "after, rule, changes, expected, reason",
    [
        (
            digest(FILM, 1000, "b" * 32),
            None,
            changed_rows(updated=1),
            "changed",
            'table "film": 1 row updated (1,000 rows before and after)',
        ),
        (
            digest(FILM, 999, "b" * 32),
            None,
            changed_rows(updated=2, deleted=1),
            "changed",
            'table "film": 2 rows updated, 1 row deleted (1,000 rows before, 999 after)',
        ),
        (
            digest(FILM, 1000, "b" * 32),
            None,
            None,
            "changed",
            'table "film": rows differ (1,000 rows before and after)',
        ),
        (
            digest(FILM, 1002, "b" * 32),
            APPEND_ONLY,
            changed_rows(inserted=2),
            "allowed",
            'table "film": 2 rows inserted (1,000 rows before, 1,002 after); it may grow',
        ),
        (
            digest(FILM, 1002, "b" * 32),
            APPEND_ONLY,
            changed_rows(inserted=3, deleted=1),
            "changed",
            'table "film": 3 rows inserted, 1 row deleted (1,000 rows before, 1,002 after); it may only grow',
        ),
        (
            digest(FILM, 1002, "b" * 32),
            APPEND_ONLY,
            changed_rows(inserted=2, updated=1),
            "changed",
            'table "film": 2 rows inserted, 1 row updated (1,000 rows before, 1,002 after); it may only grow',
        ),
        (
            digest(FILM, 1002, "b" * 32),
            APPEND_ONLY,
            None,
            "unknown",
            'table "film": rows differ (1,000 rows before, 1,002 after); it may only grow; rows not compared',
        ),
        (
            digest(FILM, 1000, "b" * 32),
            APPEND_ONLY,
            None,
            "changed",
            'table "film": rows differ (1,000 rows before and after); it may only grow',
        ),
        (
            digest(FILM, 1002, "b" * 32),
            APPEND_ONLY,
            changed_rows(inserted=1),
            "unknown",
            (
                'table "film": 1 row inserted (1,000 rows before, 1,002 after); '
                "the number of rows inserted does not add up"
            ),
        ),
        (
            digest(FILM, 1002, "b" * 32),
            APPEND_ONLY,
            changed_rows(),
            "changed",
            'table "film": rows differ (1,000 rows before, 1,002 after); it may only grow',
        ),
        (
            digest(FILM, 0, "0" * 32),
            IGNORED,
            None,
            "allowed",
            'table "film": rows differ (1,000 rows before, 0 after); ignored: a cache',
        ),
        (digest(FILM, 1000), APPEND_ONLY, None, "unchanged", None),
        (digest(FILM, 1000), IGNORED, None, "unchanged", None),
    ],
)
def test_a_table_by_its_rule(after, rule, changes, expected, reason):
    found = verdict_of(observe(digest(FILM, 1000)), observe(after), rule=rule, changes=changes)
    assert found == (expected, (reason,) if reason else ())


@pytest.mark.parametrize("rule", [None, APPEND_ONLY, IGNORED])
def test_a_dropped_or_created_table_is_a_change_whatever_its_rule(rule):
    with_table, without = observe(digest(FILM, 1)), observe()
    assert verdict_of(with_table, without, rule=rule) == ("changed", ('table "film": dropped (it had 1 row)',))
    assert verdict_of(without, with_table, rule=rule) == ("changed", ('table "film": created (it has 1 row)',))
    assert differing(with_table, without) == differing(without, with_table) == (FILM,)


def test_changed_outweighs_unknown_and_unknown_outweighs_allowed():
    before = observe(digest(FILM, 1), digest(LOG, 1), digest(SKU, 1))
    after = observe(digest(FILM, 2, "b" * 32), digest(LOG, 2, "b" * 32), digest(SKU, 2, "b" * 32))
    rules = {FILM: APPEND_ONLY, LOG: APPEND_ONLY}
    grown = {LOG: changed_rows(inserted=1)}
    comparison = compare(before, after, rules=rules, changes=grown, proof="wal")
    assert comparison.verdict == "changed"
    assert [r.split(":")[0] for r in comparison.reasons] == ['table "SKU"', 'table "film"', 'table "audit"."log"']
    comparison = compare(before, after, rules=rules | {SKU: IGNORED}, changes=grown, proof="wal")
    assert comparison.verdict == "unknown"
    comparison = compare(
        before, after, rules=rules | {SKU: IGNORED}, changes=grown | {FILM: changed_rows(inserted=1)}, proof="wal"
    )
    assert comparison.verdict == "allowed"


@pytest.mark.parametrize("other", [{"seeds": (1, 3)}, {"algorithm": 2}])
def test_digests_of_other_seeds_or_another_algorithm_prove_nothing(other):
    before, after = observe(digest(FILM, 1)), observe(digest(FILM, 1), **other)
    verdict, reasons = verdict_of(before, after, rule=IGNORED)
    assert verdict == "unknown"
    assert reasons[0] == 'table "film": cannot be compared with this baseline (1 row before and after)'
    assert differing(before, after) == (FILM,)


@pytest.mark.parametrize(
    "identity, reason",
    [
        ({"system_identifier": "9999"}, "server: system identifier was 7423, now 9999"),
        ({"database_oid": 20000}, "server: database oid was 16384, now 20000"),
        ({"timeline": 2}, "server: timeline was 1, now 2"),
        ({"position": "0/FFF"}, "server: position in the WAL was 0/1000, now 0/FFF"),
    ],
)
def test_another_server_or_an_earlier_one_is_a_change(identity, reason):
    verdict, reasons = verdict_of(observe(digest(FILM, 1)), observe(digest(FILM, 1), **identity))
    assert (verdict, reasons) == ("changed", (reason,))


def test_the_position_says_nothing_about_another_server():
    _, reasons = verdict_of(observe(), observe(system_identifier="9", position="0/1"))
    assert reasons == ("server: system identifier was 7423, now 9",)


def test_a_position_that_is_none_is_unknown():
    verdict, reasons = verdict_of(observe(), observe(position="nowhere"))
    assert verdict == "unknown" and "cannot be compared" in reasons[0]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("0/0", 0),
        ("16/B374D848", 0x16B374D848),
        ("1/0", 1 << 32),
        ("", None),
        ("12", None),
        ("x/y", None),
        ("1/", None),
    ],
)
def test_parse_lsn(text, expected):
    assert parse_lsn(text) == expected


@pytest.mark.parametrize(
    "name, expected",
    [
        (FILM, '"film"'),
        (SKU, '"SKU"'),
        (LOG, '"audit"."log"'),
        (TableName(schema="public", name='a"b'), '"a""b"'),
        (TableName(schema="public", name="x\nVERIFY OK"), '"x\\nVERIFY OK"'),
        (TableName(schema="public", name="a\u202eb"), '"a\\u202eb"'),
        (TableName(schema="s.t", name="u.v"), '"s.t"."u.v"'),
    ],
)
def test_a_table_in_a_sentence(name, expected):
    assert table_text(name) == expected


def test_json_has_exactly_the_promised_shape():
    before = observe(digest(FILM, 1), digest(SKU, 1), digest(LOG, 4))
    after = observe(digest(FILM, 2, "b" * 32), digest(SKU, 1), timeline=2)
    changes = {FILM: changed_rows(1)}
    comparison = compare(
        before, after, rules={FILM: APPEND_ONLY}, changes=changes, proof="wal", proof_reasons=("3 ranges",)
    )
    document = comparison_json(comparison)
    assert json.loads(json.dumps(document)) == document
    assert document == {
        "verdict": "changed",
        "proof": "wal",
        "proof_reasons": ["3 ranges"],
        "tables": [
            {
                "schema": "audit",
                "name": "log",
                "rule": "exact",
                "rows_before": 4,
                "rows_after": None,
                "inserted": None,
                "updated": None,
                "deleted": None,
                "verdict": "changed",
            },
            {
                "schema": "public",
                "name": "SKU",
                "rule": "exact",
                "rows_before": 1,
                "rows_after": 1,
                "inserted": 0,
                "updated": 0,
                "deleted": 0,
                "verdict": "unchanged",
            },
            {
                "schema": "public",
                "name": "film",
                "rule": "append-only",
                "rows_before": 1,
                "rows_after": 2,
                "inserted": 1,
                "updated": 0,
                "deleted": 0,
                "verdict": "allowed",
            },
        ],
        "other": [{"kind": "setting", "object": "server: timeline", "before": "1", "after": "2"}],
        "reasons": [
            'table "audit"."log": dropped (it had 4 rows)',
            "server: timeline was 1, now 2",
            'table "film": 1 row inserted (1 row before, 2 after); it may grow',
        ],
    }
