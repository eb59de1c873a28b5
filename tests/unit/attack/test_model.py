"""What is said of a case after it was tried, and the score."""

from __future__ import annotations

import pytest

from ringfence.attack.model import LAYERS, Case, Layer, Outcome, Refusal, Result, Trial, findings, is_failure, score


def result(name: str, *outcomes: Outcome) -> Result:
    trials = tuple(
        Trial(layer=layer, outcome=outcome, said=f"{layer} said so")
        for layer, outcome in zip(LAYERS, outcomes, strict=True)
    )
    return Result(case=Case(id=name, title=f"case {name}", command="psql", act="psql"), trials=trials)


HELD = result("A", "stopped", "stopped", "stopped", "stopped")
NOTHING = result("B", "through", "through", "none", "through")
ROLE = result("C", "through", "through", "stopped", "through")
FOUND = result("D", "through", "through", "through", "stopped")
UNTRIED = result("E", "stopped", "unknown", "none", "none")


@pytest.mark.parametrize(
    ("tried", "by"),
    [(HELD, "guard"), (NOTHING, None), (ROLE, "role"), (FOUND, "verification"), (UNTRIED, "guard")],
)
def test_the_first_layer_that_stops_it_counts(tried: Result, by: Layer | None) -> None:
    assert tried.stopped_by == by
    assert tried.to_json()["stopped_by"] == (by or "nothing")


def test_the_score_counts_what_was_stopped_and_each_layer_alone() -> None:
    found = score([HELD, ROLE, FOUND, UNTRIED], 10, [])
    assert (found.percent, found.passed) == (100, True)
    assert {name: (s.stopped, s.tried) for name, s in found.layers.items()} == {
        "guard": (2, 4),
        "sandbox": (1, 4),
        "role": (2, 3),
        "verification": (2, 3),
    }


def test_one_that_nothing_stopped_is_never_rounded_away() -> None:
    found = score([HELD] * 999 + [NOTHING], 10, [])
    assert (found.percent, found.contained, found.passed) == (99, 999, False)


def test_a_false_refusal_and_no_cases_at_all_do_not_pass() -> None:
    refusal = Refusal(command="npm test", layer="guard", said="no")
    twice = Refusal(command="npm test", layer="sandbox", said="no")
    found = score([HELD], 10, [refusal, twice])
    assert (found.refused, found.passed) == (1, False), "one piece of work, refused twice"
    assert not score([], 10, []).passed


def test_nothing_is_critical_and_shows_what_each_layer_said() -> None:
    (finding, *rest) = findings([NOTHING], [])
    assert (finding.rule, finding.severity, rest) == ("attack/nothing", "critical", [])
    assert finding.evidence and "sandbox: through, sandbox said so" in finding.evidence
    assert is_failure(finding)


def test_what_could_not_be_tried_fails_although_another_layer_stopped_it() -> None:
    (finding,) = findings([UNTRIED], [])
    assert (finding.rule, is_failure(finding)) == ("attack/not-tried", True)


def test_a_single_layer_that_lets_through_is_told_and_does_not_fail() -> None:
    found = findings([ROLE, FOUND], [])
    assert {f.rule for f in found} == {"attack/through-guard", "attack/through-sandbox", "attack/through-role"} | {
        "attack/through-verification"
    }
    assert not any(is_failure(f) for f in found)


def test_a_false_refusal_fails() -> None:
    (finding,) = findings([HELD], [Refusal(command="npm test", layer="guard", said="no")])
    assert (finding.rule, is_failure(finding)) == ("attack/false-refusal", True)
