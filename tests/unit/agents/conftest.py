"""Runs real agents: small shell or Python programs in a work tree of their own."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ringfence import clock
from ringfence.agents.model import AgentResult, AgentSpec
from ringfence.agents.record import OutputFile
from ringfence.agents.runner import run_agent
from ringfence.agents.supervisor import look_at


@dataclass(kw_only=True)
class Stage:
    """A work tree and what an agent showed and left in it. ``run_id`` marks the processes of this test alone."""

    worktree: Path
    run_id: str = field(default_factory=lambda: f"test-{secrets.token_hex(8)}")
    shown: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"
        return {"PATH": path, "RINGFENCE_RUN": self.run_id, "RINGFENCE_AGENT": "build", "HOME": str(self.worktree)}

    def run(self, *command: str, timeout_s: float = 30, limit_bytes: int = 20_000_000, **options: Any) -> AgentResult:
        """Run a command as the agent ``build`` on issue 12."""
        output = OutputFile.create(
            self.worktree,
            agent="build",
            issue="12",
            run_id=self.run_id,
            command=command,
            started_at=dt.datetime(2026, 11, 22, tzinfo=dt.UTC),
            limit_bytes=limit_bytes,
        )
        spec = AgentSpec(name="build", command=command, timeout_s=timeout_s)
        options = {"prompt": None, "grace_s": 0.5, "environment": self.environment, **options}
        return run_agent(spec, worktree=self.worktree, output=output, on_text=self.shown.append, **options)

    def sh(self, script: str, **options: Any) -> AgentResult:
        return self.run("/bin/sh", "-c", script, **options)

    def python(self, script: str, **options: Any) -> AgentResult:
        return self.run(sys.executable, "-c", script, **options)

    @property
    def text(self) -> str:
        """What was shown on the terminal."""
        return "".join(self.shown)

    def output(self, name: str = "build-12-112226.md") -> str:
        return (self.worktree / ".agents" / "outputs" / name).read_text()

    def living(self) -> list[int]:
        """Processes of this test's agents that are still there."""
        mark = f"RINGFENCE_RUN={self.run_id}".encode()
        found = []
        for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
            try:
                marked = name.isdigit() and mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            process = look_at(int(name)) if marked else None
            if process is not None and process.alive:
                found.append(process.pid)
        return found


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    worktree = tmp_path / "worktree"
    worktree.mkdir()
    return Stage(worktree=worktree)


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    def wait(true: Callable[[], bool], timeout_s: float = 15) -> None:
        until = clock.monotonic_s() + timeout_s
        while not true():
            assert clock.monotonic_s() < until, "it did not come true in time"
            clock.pause(0.02)

    return wait
