"""Every case gets the verdict it must get: the shared ones, and the project's own (adversarial and benign)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.guard.stage import OWN_CASES, SHARED_CASES, Stage, cases


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.mark.parametrize("path", [SHARED_CASES, OWN_CASES], ids=["shared", "own"])
def test_every_case_gets_its_verdict(stage: Stage, path: Path) -> None:
    if path == SHARED_CASES and not path.exists():
        pytest.skip(f"no shared cases in {path.parent} (not part of the project)")
    wrong = []
    for case in cases(path):
        verdict, why = stage.verdict(case["command"], env=case.get("env", "none"), files=case.get("files"))
        if verdict != case["verdict"]:
            wrong.append(f"{case['command']!r} ({case.get('env', 'none')}): {verdict}, not {case['verdict']}: {why}")
    assert not wrong, "\n".join(wrong)


def test_own_cases_are_many_and_benign_ones_among_them() -> None:
    own = cases(OWN_CASES)
    assert len({c["command"] for c in own}) >= 94
    assert sum(c["verdict"] == "allow" for c in own) >= 90


def test_every_refusal_says_why_and_names_no_unknown_signs(stage: Stage) -> None:
    for case in cases(OWN_CASES):
        verdict, why = stage.verdict(case["command"], env=case.get("env", "none"), files=case.get("files"))
        if verdict == "deny":
            assert len(why) > 15 and why.isprintable() and not any("\ue000" <= c <= "\ue00f" for c in why), (case, why)
