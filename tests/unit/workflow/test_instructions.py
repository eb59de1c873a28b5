"""``agents sync`` and ``agents check`` on real directories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ringfence.config.load import parse
from ringfence.config.model import Settings
from ringfence.config.template import initial_config
from ringfence.errors import ConfigError
from ringfence.workflow import instructions


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse(initial_config().encode(), tmp_path / "ringfence.toml")


def _make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {name}\n")


NAMES = (
    ".claude/agents/build.md",
    ".claude/agents/deep/test.md",
    ".cursor/rules/db.mdc",
    ".github/copilot-instructions.md",
    "AGENTS.md",
    "CLAUDE.md",
    "GEMINI.md",
    "packages/web/AGENTS.md",
)


def test_every_agent_file_gets_the_section_once(settings: Settings) -> None:
    root = settings.root
    _make(root, *NAMES, "node_modules/x/AGENTS.md", "README.md", "docs/agents.md", ".venv/AGENTS.md")
    assert {f.rule for f in instructions.check(settings)} >= {"agents/section-missing"}
    made = instructions.sync(settings)
    assert set(NAMES) <= set(made.written) and instructions.SHARED_CONTEXT in made.written
    assert not made.problems
    assert (root / "README.md").read_text() == "# README.md\n"
    assert (root / "node_modules/x/AGENTS.md").read_text() == "# node_modules/x/AGENTS.md\n"
    assert instructions.check(settings) == []
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
    assert instructions.sync(settings).written == ()
    assert before == {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}


def test_nothing_to_find_is_only_a_remark(settings: Settings) -> None:
    assert [f.severity for f in instructions.check(settings)] == ["info"]
    assert instructions.sync(settings).written == ()
    instructions.require_current(settings)


def test_what_is_missing_stale_or_edited_stops_a_run(settings: Settings) -> None:
    _make(settings.root, "CLAUDE.md")
    instructions.sync(settings)
    path = settings.root / "CLAUDE.md"
    for change in (("2346", "4546"), ("# CLAUDE.md", "# x <!-- ringfence:end -->"), ("<!-- ringfence:begin", "<!-- x")):
        good = path.read_text()
        path.write_text(good.replace(*change))
        with pytest.raises(ConfigError, match=r"CLAUDE\.md"):
            instructions.require_current(settings)
        path.write_text(good)
    (settings.root / instructions.SHARED_CONTEXT).unlink()
    with pytest.raises(ConfigError, match="SHARED-CONTEXT"):
        instructions.require_current(settings)


def test_links_pipes_and_giants_are_left_alone_and_said(settings: Settings, tmp_path: Path) -> None:
    root = settings.root
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "secret.md").write_text("mine\n")
    _make(root, "AGENTS.md")
    (root / "CLAUDE.md").symlink_to(outside / "secret.md")
    (root / "a").mkdir()
    os.mkfifo(root / "a" / "AGENTS.md")
    (root / "b").mkdir()
    (root / "b" / "GEMINI.md").write_bytes(b"x" * (5 << 20))
    (root / ".claude").symlink_to(outside)
    (root / "c" / "AGENTS.md").mkdir(parents=True)
    made = instructions.sync(settings, asked=("claude",))
    assert "AGENTS.md" in made.written
    wrong = {f.file for f in made.problems}
    assert wrong >= {"CLAUDE.md", "a/AGENTS.md", "b/GEMINI.md", ".claude/settings.json", "c/AGENTS.md"}
    assert (outside / "secret.md").read_text() == "mine\n" and len(list(outside.iterdir())) == 1
    assert {f.file for f in instructions.check(settings)} >= {"CLAUDE.md", "a/AGENTS.md"}


def test_the_mode_of_a_file_is_kept(settings: Settings) -> None:
    _make(settings.root, "AGENTS.md")
    (settings.root / "AGENTS.md").chmod(0o600)
    instructions.sync(settings)
    assert (settings.root / "AGENTS.md").stat().st_mode & 0o777 == 0o600


def test_hooks_go_only_where_an_agent_is_in_use_or_asked_for(settings: Settings) -> None:
    root = settings.root
    instructions.sync(settings)
    assert not (root / ".claude").exists() and not (root / ".codex").exists()
    (root / ".cursor").mkdir()
    assert instructions.sync(settings, asked=("codex",)).written == (".codex/hooks.json", ".cursor/hooks.json")
    assert not (root / ".claude").exists()
    assert [f for f in instructions.check(settings) if f.rule.startswith("agents/hook")] == []
    (root / ".claude").mkdir()
    (root / ".claude/settings.local.json").write_text('{"disableAllHooks": true}')
    instructions.sync(settings)
    assert any("switches" in f.message for f in instructions.check(settings))
