"""Real sandboxes around small programs, in every layer that this machine can have."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ringfence.sandbox import bubblewrap, entrance, landlock
from ringfence.sandbox.launch import Sandbox
from ringfence.sandbox.machine import runtime_paths
from ringfence.sandbox.model import Layer, Wanted


@dataclass(kw_only=True)
class Done:
    """How a program in a sandbox ended."""

    code: int
    out: str
    ended: entrance.Ended | None
    refused: tuple[str, ...]


@dataclass(kw_only=True)
class Stage:
    """A work tree with a repository, a home with secrets, and a place outside both."""

    base: Path
    wanted: Wanted
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def worktree(self) -> Path:
        return self.wanted.worktree

    @property
    def home(self) -> Path:
        return self.wanted.homes[0]

    def want(self, **changes: Any) -> None:
        self.wanted = replace(self.wanted, **changes)

    def run(self, layer: Layer, *command: str, timeout_s: float = 30) -> Done:
        """Run a command in a layer, to its end."""
        sandbox = Sandbox(layer=layer, wanted=self.wanted)
        with sandbox.enter(command, environment=self.environment, directory=self.worktree) as enclosed:
            child = subprocess.Popen(
                enclosed.command,
                env=dict(enclosed.environment),
                cwd="/",
                pass_fds=enclosed.pass_fds,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            enclosed.begin()
            out, _ = child.communicate(timeout=timeout_s)
            return Done(code=child.returncode, out=out.decode(), ended=enclosed.ended(), refused=enclosed.refused())

    def sh(self, layer: Layer, script: str) -> Done:
        return self.run(layer, "/bin/sh", "-c", script)

    def python(self, layer: Layer, script: str) -> Done:
        return self.run(layer, str(Path(sys.executable).resolve()), "-I", "-c", script)


def layers() -> list[Layer]:
    """The layers for which this machine has the programs and the kernel."""
    found: list[Layer] = ["bwrap-net"] if bubblewrap.find() else []
    if landlock.abi() >= landlock.TCP_ABI:
        found += ["bwrap", "landlock"] if bubblewrap.find() else ["landlock"]
    return found


FULL: list[Layer] = [layer for layer in layers() if layer != "landlock"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, known in (("layer", layers()), ("full_layer", FULL)):
        if name in metafunc.fixturenames:
            skip = pytest.param("none", marks=pytest.mark.skip(reason="no sandbox: bubblewrap is not installed"))
            metafunc.parametrize(name, known or [skip])


@pytest.fixture
def stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="ringfence-sandbox-") as name:
        base = Path(name).resolve()
        for part in ("tree/.git/hooks", "tree/.backups", "tree/.agents", "tree/.claude", "home/.ssh", "home/.claude"):
            (base / part).mkdir(parents=True)
        for part, text in (
            ("tree/.git/config", "[core]\n"),
            ("tree/ringfence.toml", 'project = "x"\n'),
            ("tree/.claude/settings.json", "{}\n"),
            ("tree/.backups/one.dump", "production's rows\n"),
            ("home/.ssh/id_ed25519", "a private key\n"),
            ("home/.claude/settings.json", "{}\n"),
            ("home/.pgpass", "a password\n"),
            ("outside.txt", "not for agents\n"),
        ):
            (base / part).write_text(text)
        tree, home = base / "tree", base / "home"
        wanted = Wanted(
            worktree=tree,
            homes=(home,),
            read=(*runtime_paths(), home / ".claude/settings.json"),
            hide=(tree / ".backups", home / ".ssh", home / ".pgpass"),
            protect=tuple(tree / n for n in ("ringfence.toml", ".git/config", ".git/hooks", ".claude/settings.json")),
        )
        yield Stage(
            base=base,
            wanted=wanted,
            environment={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(home), "TMPDIR": "/tmp"},
        )
