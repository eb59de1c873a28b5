"""The second line: processes found by the mark in their environment, and no others."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from ringfence.agents import leftovers

Stage = Any

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


def test_only_processes_with_both_marks_are_ended(stage: Stage) -> None:
    environment = stage.environment
    others = [{**environment, "RINGFENCE_AGENT": "another"}, {**environment, "RINGFENCE_RUN": "another"}]
    with (
        subprocess.Popen(["sleep", "100"], env=environment) as marked,
        subprocess.Popen(["sleep", "100"], env=others[0]) as first,
        subprocess.Popen(["sleep", "100"], env=others[1]) as second,
    ):
        with subprocess.Popen(["true"]) as gone:
            pass
        assert leftovers.end_all(gone.pid, environment) == 1
        assert marked.wait(5) == -9
        assert first.poll() is None and second.poll() is None
        first.kill()
        second.kill()


def test_without_marks_nothing_is_looked_for() -> None:
    with subprocess.Popen(["sleep", "100"], env={"PATH": "/usr/bin:/bin"}) as child:
        with subprocess.Popen(["true"]) as gone:
            pass
        assert leftovers.end_all(gone.pid, {"RINGFENCE_RUN": "x"}) == 0
        assert child.poll() is None
        child.kill()


def test_the_tool_does_not_end_itself(stage: Stage) -> None:
    """An agent may run the tool, with the marks of its own run in the environment."""
    script = (
        "import os, sys, subprocess\n"
        "from ringfence.agents import leftovers\n"
        "gone = subprocess.Popen(['true']); gone.wait()\n"
        "print(leftovers.end_all(gone.pid, dict(os.environ)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=stage.environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "0\n")
