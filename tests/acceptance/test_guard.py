"""The guard in a real run: tried in the sandbox before the agents start, and by the agent itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.project import RINGFENCE, Project, running_project

HOOK = ".claude/settings.json"


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    """A project that works with Claude Code, of which a shell script plays the part."""
    with running_project() as made:
        made.environment["PATH"] += f":{RINGFENCE.parent}"
        made.psql("production", Path(__file__).with_name("inventory.sql"))
        (made.root / ".claude" / "agents").mkdir(parents=True)
        (made.root / ".claude" / "agents" / "build.md").write_text("Build it.\n")
        made.run("agents", "sync")
        made.commit_all("Agents")
        made.begin = made.git("rev-parse", "HEAD")
        yield made


def _configure(project: Project, script: str, *, extra: str = "") -> None:
    """The workflow's one agent: a program called claude that runs this script."""
    program = project.scripts / "claude"
    program.write_text(f"#!/bin/sh\nset -eu\n{script}\n")
    program.chmod(0o755)
    text = (project.base / "ringfence.toml.init").read_text()
    text += f'\n[[workflow.agents]]\nname = "build"\ncommand = [{json.dumps(str(program))}]\n{extra}'
    project.config.write_text(text)
    project.commit_all("The agent")


def _ask(command: str) -> str:
    """Shell words by which an agent asks its hook about a command, as its settings say."""
    event = {"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": command}, "cwd": "."}
    line = "ringfence-guard --agent claude --project inventory || exit 2"
    return f"{{ printf %s {json.dumps(json.dumps(event))} | {line}; }}"


def test_the_hook_refuses_in_the_sandbox_and_an_honest_agent_goes_on(project: Project) -> None:
    production, test = project.ports["production"], project.ports["test"]
    _configure(
        project,
        f"{_ask(f'psql -p {production} inventory')} > refused.txt\n"
        f"{_ask(f'psql -h 127.0.0.1 -p {test} inventory_test')} > allowed.txt\n"
        f"{_ask('git status')} >> allowed.txt\n"
        "psql -c 'select 1' > one.txt",
    )
    done = project.run("run", "Do it", "--fresh-start", "--no-push", "--json")
    run = done.document["run"]
    guard = next(s for s in run["steps"] if s["name"] == "guard")
    assert guard["outcome"] == "done"
    assert guard["reasons"] == [f"claude: the guard in {HOOK} refused a command for production"]
    assert "would connect to production" in (project.root / "refused.txt").read_text()
    assert (project.root / "allowed.txt").read_text() == ""


def test_a_hook_that_lets_through_stops_the_run_before_the_first_agent(project: Project) -> None:
    _configure(project, "touch was-here")
    good = (project.root / HOOK).read_text()
    (project.root / HOOK).write_text(good.replace("|| exit 2", "> /dev/null || exit 2"))
    project.commit_all("A hook that says nothing")
    assert "agents/hook-edited" in project.run("agents", "check", code=1).out
    stopped = project.run("run", "Do it", "--no-push", code=2)
    assert "another way" in stopped.said
    (project.root / HOOK).write_text(good)
    project.commit_all("Back")
    policy = project.base / "state" / "ringfence-guard" / "inventory" / "policy.json"
    assert policy.stat().st_mode & 0o222 == 0
    assert not (project.root / "was-here").exists()


def test_a_section_that_was_edited_stops_a_run(project: Project) -> None:
    _configure(project, "touch was-here")
    path = project.root / ".claude" / "agents" / "build.md"
    good = path.read_text()
    path.write_text(good.replace("do not push", "push"))
    project.commit_all("Other instructions")
    found = project.run("agents", "check", "--json", code=1).document["findings"]
    assert [f["rule"] for f in found] == ["agents/section-edited"]
    assert "build.md" in project.run("run", "Do it", "--no-push", code=2).said
    assert "written: .claude/agents/build.md" in project.run("agents", "sync").said
    assert path.read_text() == good
