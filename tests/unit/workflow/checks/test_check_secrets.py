"""Credentials in reach, on a real work tree and home: what the sandbox hides is a remark, the rest is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ringfence.config.template import initial_config
from ringfence.workflow.checks import check_secrets
from ringfence.workflow.project import Project, open_project

KEY = "s3cr3t-Qx9"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    monkeypatch.setenv("HOME", str(made))
    for name in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    monkeypatch.setattr(check_secrets, "_SOCKETS", ())
    return made


def _project(tmp_path: Path, *, mode: str = "auto") -> Project:
    root = tmp_path / "shop"
    root.mkdir(exist_ok=True)
    text = initial_config()
    if mode == "none":
        assert 'mode = "auto"' in text
        text = text.replace('mode = "auto"', 'mode = "none"')
    (root / "ringfence.toml").write_text(text)
    return open_project(None, start=root, environ=os.environ)


def test_nothing_to_find(tmp_path: Path, home: Path) -> None:
    assert check_secrets.scan(_project(tmp_path)) == []


def test_the_work_tree_is_in_reach_and_the_home_is_not(tmp_path: Path, home: Path) -> None:
    project = _project(tmp_path)
    root = project.settings.root
    (root / "scripts").mkdir()
    (root / "scripts" / "x.sh").write_text(f"#!/bin/sh\npsql postgres://inventory_app:{KEY}@127.0.0.1:4546/inventory\n")
    (root / ".env.prod").write_text(f"DATABASE_URL=postgres://u:{KEY}@db.example.org/x\n")
    (root / "terraform.tfstate").write_text("{}")
    (root / "binary").write_bytes(b"\0" + f"postgres://u:{KEY}@h:4546/x".encode())
    (root / "node_modules").mkdir()
    (root / "node_modules" / "y").write_text(f"postgres://u:{KEY}@h:4546/x")
    (root / "link").symlink_to("/etc/shadow")
    (home / ".pgpass").write_text(f"127.0.0.1:4546:*:inventory_admin:{KEY}\n")
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text("[default]\n")
    (home / ".kube").mkdir()
    found = {f.object: f for f in check_secrets.scan(project)}
    assert found["scripts/x.sh:2"].severity == "critical" and found["scripts/x.sh:2"].line == 2
    assert found[".env.prod:1"].severity == "medium"
    assert found["terraform.tfstate"].severity == "high"
    hidden = [f for name, f in found.items() if name.endswith(".pgpass:1") or name == "~/.aws/credentials"]
    assert [f.severity for f in hidden] == ["info", "info"]
    assert len(found) == 5
    assert KEY not in repr(found)


def test_without_a_sandbox_nothing_is_hidden(tmp_path: Path, home: Path) -> None:
    project = _project(tmp_path, mode="none")
    (home / ".pgpass").write_text(f"127.0.0.1:4546:*:inventory_admin:{KEY}\n")
    project.paths.pgpass.write_text(f"127.0.0.1:4546:*:inventory_app:{KEY}\n")
    assert [f.severity for f in check_secrets.scan(project)] == ["critical", "critical"]


def test_too_many_files_are_said(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = _project(tmp_path)
    for number in range(5):
        (project.settings.root / f"f{number}").touch()
    monkeypatch.setattr(check_secrets, "MOST_FILES", 3)
    assert [f.rule for f in check_secrets.scan(project)] == ["secrets/not-looked-at"]
