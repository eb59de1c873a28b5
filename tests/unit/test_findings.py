"""Findings: their JSON, their order, what counts as at least how bad."""

from __future__ import annotations

from ringfence.findings import Finding, at_least, by_severity

HOLE = Finding(rule="roles/owner", severity="critical", object='public."SKU"', message="owned by the app", fix="ALTER")
PORT = Finding(rule="lint/port", severity="high", object="4546", message="production", file="a.ts", line=3, column=9)
NOTE = Finding(rule="check/docker", severity="info", object="docker", message="not used")


def test_json_has_the_stable_keys_and_a_place_only_where_there_is_one() -> None:
    assert HOLE.to_json() == {
        "rule": "roles/owner",
        "severity": "critical",
        "object": 'public."SKU"',
        "message": "owned by the app",
        "fix": "ALTER",
    }
    assert PORT.to_json()["file"] == "a.ts"
    assert (PORT.to_json()["line"], PORT.to_json()["column"]) == (3, 9)
    assert PORT.to_json()["fix"] is None


def test_worst_first_then_by_rule_and_place() -> None:
    later = Finding(rule="lint/port", severity="high", object="x", message="m", file="a.ts", line=12, column=1)
    assert by_severity([NOTE, later, PORT, HOLE]) == [HOLE, PORT, later, NOTE]


def test_at_least_keeps_what_is_as_bad_or_worse() -> None:
    assert at_least([NOTE, PORT, HOLE], "high") == [PORT, HOLE]
    assert at_least([NOTE, PORT, HOLE], "critical") == [HOLE]
    assert at_least([NOTE], "info") == [NOTE]
