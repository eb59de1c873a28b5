"""Refusals on their way into the journal; the file they come from is in the agents' reach."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ringfence.guard.answer import understood
from ringfence.guard.refusals import DIRECTORY, NAME, remember
from ringfence.journal.log import Journal
from ringfence.journal.model import RunState
from ringfence.workflow.runs import refusals


class Stage:
    """A work tree with a run's journal beside it."""

    def __init__(self, base: Path) -> None:
        self.root = base / "shop"
        self.root.mkdir()
        self.file = self.root.joinpath(*DIRECTORY, NAME)
        self.project = SimpleNamespace(settings=SimpleNamespace(root=self.root))
        self.journal = Journal.create(base / "state", project="p", issue=None, text="", root=self.root)

    def begin(self) -> str | None:
        return refusals.begin(self.project)  # type: ignore[arg-type]

    def refuse(self, command: str, reason: str = "it is production", agent: str = "build") -> None:
        asked = understood({"tool_name": "Bash", "tool_input": {"command": command}})
        remember(str(self.root), asked, reason, agent="claude", environ={"RINGFENCE_AGENT": agent})

    def keep(self, *, again: bool = False) -> RunState:
        refusals.keep(self.project, self.journal, None, ("s3cret-pw",), again=again)  # type: ignore[arg-type]
        return self.journal.state


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_from_the_hook_to_the_journal(stage: Stage) -> None:
    assert stage.begin() is None
    stage.refuse("psql -p 4546\x1b[31m")
    stage.refuse("psql -p 4546\x1b[31m")
    stage.refuse("PGPASSWORD=s3cret-pw psql", agent="test")
    first, second = stage.keep(again=True).refused
    assert first == {
        "by": "guard",
        "agent": "build",
        "what": "psql -p 4546\\x1b[31m",
        "reason": "it is production",
        "times": 2,
    }
    assert second["what"] == "PGPASSWORD=**** psql" and second["agent"] == "test"
    stage.refuse("rm -rf .backups")
    assert [one["what"] for one in stage.keep().refused[2:]] == ["rm -rf .backups"]
    assert not stage.file.exists(), "nothing is kept after the last agent"
    stage.refuse("psql")
    assert not stage.file.exists(), "nothing is kept outside a run"
    assert len(stage.keep().refused) == 3


def test_what_was_there_before_a_run_is_not_this_runs(stage: Stage) -> None:
    stage.begin()
    stage.refuse("psql -p 4546")
    stage.begin()
    assert stage.keep().refused == ()


def test_lines_that_no_hook_wrote_are_passed_over(stage: Stage) -> None:
    stage.begin()
    good = {"agent": "build", "what": "psql", "reason": "r"}
    lines = [b"\xff", b"[]", b"{}", b"[" * 5000, json.dumps(good | {"what": 7}).encode(), json.dumps(good).encode()]
    stage.file.write_bytes(b"\n".join(lines))
    assert [one["what"] for one in stage.keep().refused] == ["psql"]


def test_there_is_an_end_to_them(stage: Stage) -> None:
    stage.begin()
    for number in range(refusals.MOST + 10):
        stage.refuse(f"psql -p 4546 {number} {'x' * 5000}")
    found = stage.keep().refused
    assert len(found) == refusals.MOST + 1 and found[-1]["reason"] == "10 more are not kept"
    assert all(len(str(one["what"])) <= 500 for one in found)


@pytest.mark.parametrize("what", ["link", "pipe", "directory", "parent"])
def test_a_file_that_is_none_leads_nowhere_and_holds_nothing_up(stage: Stage, tmp_path: Path, what: str) -> None:
    stage.begin()
    stage.file.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / NAME).write_text("mine\n")
    if what == "link":
        stage.file.symlink_to(elsewhere / NAME)
    elif what == "pipe":
        os.mkfifo(stage.file)
    elif what == "directory":
        stage.file.mkdir()
    else:
        stage.file.parent.rmdir()
        stage.file.parent.symlink_to(elsewhere)
    if what != "parent":
        stage.refuse("psql -p 4546")
    assert stage.keep(again=True).refused == ()
    assert (elsewhere / NAME).read_text() == "mine\n"
    problem = stage.begin()
    assert (problem is not None) == (what == "parent")
    assert (elsewhere / NAME).read_text() == "mine\n"
