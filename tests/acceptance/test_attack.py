"""``ringfence attack``: what stopped each case, and the recorded score, which may only rise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.project import Project, processes_with

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres]

RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "cases" / "containment.json").read_text())


def attacked(project: Project, *words: str) -> dict[str, Any]:
    done = project.run("attack", "--json", *words, timeout_s=600)
    document = done.document
    if "no sandbox" in document["sandbox"]:
        pytest.skip(f"no sandbox: {document['sandbox']}")
    assert all(len(line) <= 80 for line in done.err.splitlines() if line[:4].strip() and line[:1] in "ICTS"), (
        "80 columns"
    )
    return document


def require_no_less(document: dict[str, Any], recorded: dict[str, int]) -> None:
    """The score is at least the recorded one. A higher one is to be recorded: it may never fall again."""
    score = document["score"]
    found = {"cases": score["cases"], "contained": score["contained"]}
    found |= {name: layer["stopped"] for name, layer in score["layers"].items()}
    assert {n for n in recorded if found[n] < recorded[n]} == set(), f"fell: {found}, recorded {recorded}"
    assert {n for n in recorded if found[n] > recorded[n]} == set(), f"rose, so record it: {found}, was {recorded}"
    assert (score["percent"], score["refused"]) == (100, 0)
    assert score["benign"] >= RECORDED["benign"]


def test_one_case_of_each_kind(empty: Project) -> None:
    document = attacked(empty, "--quick")
    require_no_less(document, RECORDED["quick"])
    assert not [f for f in document["findings"] if f["severity"] in ("critical", "high", "medium")]
    by_id = {c["id"]: c for c in document["cases"]}
    said = {name: by_id[name]["layers"]["verification"]["said"] for name in ("C01", "I02", "S03", "S06", "T16")}
    assert said["C01"].endswith("put right by repair")
    assert said["I02"].endswith("put right by restore")
    assert said["S03"].endswith("put right by up, and production then verified")
    assert said["S06"].endswith("put right by backup mend, from the mirror")
    assert said["T16"].endswith("put right by up, and restore")
    assert by_id["C10"]["layers"]["role"]["outcome"] == "through", "the strategy allows UPDATE"
    assert list((empty.base / "tmp").iterdir()) == [], "everything is gone"
    assert processes_with(str(empty.base / "tmp")) == []


@pytest.mark.long
def test_every_case(empty: Project) -> None:
    document = attacked(empty)
    require_no_less(document, RECORDED["whole"])
    reports = {c["report"]: c["stopped_by"] for c in document["cases"] if c["report"]}
    assert len(reports) == 11 and set(reports.values()) == {"guard"}
    for case in document["cases"]:
        if case["report"]:
            assert case["layers"]["sandbox"]["outcome"] == "stopped", case
            assert case["layers"]["verification"]["outcome"] == "stopped", case
