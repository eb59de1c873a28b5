"""Each rule: what it must find, and at least as much that it must not."""

from __future__ import annotations

import pytest
from tests.cases.lint_cases import MUST, MUST_NOT, Case

from ringfence.lint import classify, engine
from ringfence.lint.model import Facts, Side
from ringfence.lint.rules import RULES

FACTS = Facts(
    production=Side(
        web_port=4545, db_port=4546, database="inventory", container="inventory-db-prod", volume="inventory_data_prod",
        hosts=frozenset({"db.example.com"}),
    ),
    test=Side(
        web_port=2345, db_port=2346, database="inventory_test", container="inventory-db-test",
        volume="inventory_data_test",
    ),
)  # fmt: skip
BY_NAME = {rule.name: rule for rule in RULES}


def found(case: Case, rule: str) -> list[tuple[str, int]]:
    language = classify.language_of(case.path)
    if language is None:
        return []
    code = engine.parse(case.path, case.source.encode(), language)
    assert code.problem is None, (code.problem, code.problem_line)
    findings, _, _ = engine.check(code, FACTS, [BY_NAME[rule]])
    return [(f.rule, f.line or 0) for f in findings]


MUST_CASES = [(rule, case) for rule, cases in MUST.items() for case in cases]
MUST_NOT_CASES = [(rule, case) for rule, cases in MUST_NOT.items() for case in cases]


@pytest.mark.parametrize(("rule", "case"), MUST_CASES, ids=[f"{r}-{n}" for n, (r, _) in enumerate(MUST_CASES)])
def test_what_a_rule_must_find(rule: str, case: Case) -> None:
    assert (f"lint/{rule}", case.line) in found(case, rule), case.source


@pytest.mark.parametrize(("rule", "case"), MUST_NOT_CASES, ids=[f"{r}-{n}" for n, (r, _) in enumerate(MUST_NOT_CASES)])
def test_what_a_rule_must_not_find(rule: str, case: Case) -> None:
    assert found(case, rule) == [], case.source


def test_every_rule_has_more_cases_that_must_not_fire() -> None:
    assert MUST.keys() == MUST_NOT.keys() == BY_NAME.keys()
    for rule in BY_NAME:
        assert len(MUST_NOT[rule]) >= len(MUST[rule]), rule


def test_rules_say_what_and_why() -> None:
    for rule in RULES:
        assert rule.summary and rule.why and not rule.why.endswith(".")
