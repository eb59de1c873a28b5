"""What ``--json`` shows of a run, and the agents that several tests use."""

from __future__ import annotations

from typing import Any

from tests.acceptance.project import Project

RUN_KEYS = {
    *("id", "number", "project", "issue", "text", "root", "started_at", "ended_at", "seconds", "process"),
    *(
        "interrupted",
        "paused",
        "steps",
        "backup",
        "backup_bytes",
        "agents",
        "verdict",
        "outcome",
        "exit_code",
        "reasons",
    ),
    *("commit", "pushed", "resolved", "warnings", "damage", "refused", "changed_rows"),
}
STEP_KEYS = {"name", "started_at", "seconds", "outcome", "reasons"}
AGENT_KEYS = {
    *("name", "command", "outcome", "exit_code", "started_at", "ended_at", "seconds", "output_file", "output_bytes"),
    *("truncated", "processes_ended", "all_ended", "reasons", "returned", "attempt"),
}
PRICES = 'UPDATE "SKU" SET price = price + 1 WHERE id <= 25'


def go(project: Project, *words: str, code: int = 0, command: str = "run", **options: Any) -> dict[str, Any]:
    """``ringfence run`` (or ``pre``) that got as far as agents; the run as it ended."""
    document = project.json(command, *words, code=code, **options)
    assert document.keys() == {"schema", "run"}
    run = document["run"]
    assert isinstance(run, dict) and run.keys() == RUN_KEYS
    assert all(step.keys() == STEP_KEYS for step in run["steps"])
    assert all(agent.keys() == AGENT_KEYS for agent in run["agents"])
    assert run["exit_code"] == (None if command == "pre" else code)
    assert run["interrupted"] is False and run["damage"] is None
    assert project.agent_processes() == {}, "nothing of an agent is left"
    return run


def steps(run: dict[str, Any]) -> list[str]:
    """``backup done``, ``agent build failed``: the steps with their outcomes."""
    return [f"{step['name']} {step['outcome']}" for step in run["steps"]]


def assert_nothing_published(project: Project, run: dict[str, Any], head: str) -> None:
    """Neither a commit nor a push: both branches stand where they stood."""
    assert run["commit"] is None and run["pushed"] is False
    assert project.git("rev-parse", "main") == head == project.remote_head()
    assert project.git("diff", "--cached", "--name-only") == ""


def resolve(project: Project, run: dict[str, Any], reason: str = "looked at by the test") -> None:
    """Let work go on."""
    project.run("resolve", run["id"], "--reason", reason)
