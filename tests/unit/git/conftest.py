"""Real repositories in a directory of the test, with nobody's settings but the test's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ringfence.git.repository import Repository, discover


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """A work tree, a bare remote, and git as a person would run it there."""

    base: Path
    tree: Path
    remote: Path
    environ: Mapping[str, str]

    def git(self, *arguments: str, cwd: Path | None = None, check: bool = True) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.tree,
            env={**self.environ, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            capture_output=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"git {arguments}: {done.stderr.decode()}")
        return os.fsdecode(done.stdout)

    def write(self, name: str, text: str | bytes = "x\n") -> Path:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def repository(self, where: Path | None = None) -> Repository:
        found = discover(where or self.tree, self.environ)
        assert found is not None
        return found

    def names_at(self, commit: str = "HEAD") -> list[str]:
        return self.git("ls-tree", "-r", "-z", "--name-only", commit).split("\0")[:-1]

    def trap(self, name: str) -> tuple[Path, Path]:
        """A program that leaves a mark when it runs, and the mark."""
        mark, program = self.base / f"ran-{name}", self.base / f"trap-{name}.sh"
        program.write_text(f'#!/bin/sh\ntouch "{mark}"\ncat 2>/dev/null\nexit 0\n')
        program.chmod(0o755)
        return program, mark


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    settings = home / "gitconfig"
    settings.write_text(
        "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
        '[protocol "file"]\n\tallow = always\n'
    )
    return {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "xdg"), "GIT_CONFIG_GLOBAL": str(settings)}


@pytest.fixture
def empty(tmp_path: Path, environ: dict[str, str]) -> Sandbox:
    """A repository without a commit and without a remote."""
    sandbox = Sandbox(base=tmp_path, tree=tmp_path / "tree", remote=tmp_path / "remote.git", environ=environ)
    sandbox.tree.mkdir()
    sandbox.git("init", "-q")
    return sandbox


@pytest.fixture
def sandbox(empty: Sandbox) -> Sandbox:
    """A repository with one commit on main, pushed to a bare remote called origin."""
    empty.git("init", "-q", "--bare", str(empty.remote), cwd=empty.base)
    empty.write("README", "hello\n")
    empty.write("src/app.py", "print(1)\n")
    empty.write(".gitignore", "ignored/\n")
    empty.git("add", "-A")
    empty.git("commit", "-qm", "first")
    empty.git("remote", "add", "origin", str(empty.remote))
    empty.git("push", "-qu", "origin", "main")
    return empty
