"""The workflows for GitHub Actions in the documentation: whole, of the form that is asked for, and with real commands.

The form is that of https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax, as far as the
examples use it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from ringfence.cli.main import COMMANDS, run_command

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "ci.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.M | re.S)
TOP = {"name", "on", "permissions", "env", "concurrency", "jobs"}
JOB = {"runs-on", "needs", "if", "permissions", "timeout-minutes", "env", "steps"}
STEP = {"id", "name", "if", "uses", "with", "run", "env", "continue-on-error"}
EVENTS = {"pull_request", "push", "workflow_dispatch", "schedule"}


def workflow(text: str) -> dict[Any, Any]:
    """The document; ``on`` is a truth value in YAML 1.1, and a word for GitHub."""
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return {("on" if key is True else key): value for key, value in found.items()}


def steps(text: str) -> list[dict[str, Any]]:
    return [step for job in workflow(text)["jobs"].values() for step in job["steps"]]


def test_there_is_one_for_pull_requests_and_one_around_an_orchestrator() -> None:
    events = [workflow(text)["on"] for text in EXAMPLES]
    assert [e if isinstance(e, str) else next(iter(e)) for e in events] == ["pull_request", "workflow_dispatch"]


@pytest.mark.parametrize("text", EXAMPLES, ids=["pull request", "orchestrator"])
def test_every_key_is_one_of_github_actions(text: str) -> None:
    found = workflow(text)
    assert {"name", "on", "jobs"} <= found.keys() <= TOP
    assert {found["on"]} if isinstance(found["on"], str) else set(found["on"]) <= EVENTS
    for job in found["jobs"].values():
        assert {"runs-on", "steps"} <= job.keys() <= JOB
        for step in job["steps"]:
            assert step.keys() <= STEP and ("run" in step) != ("uses" in step), step
            assert "with" not in step or "uses" in step
    ids = [step["id"] for step in steps(text) if "id" in step]
    assert len(ids) == len(set(ids))
    conditions = " ".join(str(step.get("if", "")) for step in steps(text))
    assert set(re.findall(r"steps\.(\w+)\.", conditions)) <= set(ids)


@pytest.mark.parametrize("text", EXAMPLES, ids=["pull request", "orchestrator"])
def test_no_text_from_outside_becomes_shell(text: str) -> None:
    for step in steps(text):
        assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("text", EXAMPLES, ids=["pull request", "orchestrator"])
def test_every_command_of_ours_exists_with_its_options(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for step in steps(text) for line in step.get("run", "").splitlines()]
    ours = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("ringfence ")]
    assert ours
    for words in ours:
        names = [words[0], *([words[1]] if words[0] in ("agents", "backup", "roles") else [])]
        assert names[0] in COMMANDS
        assert run_command([*names, "--help"]) == 0
        shown = capsys.readouterr().out
        for option in (word for word in words if word.startswith("--")):
            assert option in shown, (words, option)


def test_the_push_follows_only_an_unchanged_production_and_agents_cannot_push() -> None:
    found = {step["id"]: step for step in steps(EXAMPLES[1]) if "id" in step}
    checkout = steps(EXAMPLES[1])[0]
    assert checkout["with"]["persist-credentials"] is False and "env" not in found["agents"]
    assert all("TOKEN" not in name for job in workflow(EXAMPLES[1])["jobs"].values() for name in job["env"])
    assert "post" in found["after"]["run"] and "always()" in found["after"]["if"]
    assert "continue-on-error" not in found["after"]
    assert "steps.after.outcome == 'success'" in found["push"]["if"] and "always()" not in found["push"]["if"]
