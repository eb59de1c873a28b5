"""``init`` writes what a project needs and never over somebody's work."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ringfence.config.load import load
from ringfence.errors import ConfigError, UsageError
from ringfence.workflow.setup import initialise


def test_what_it_writes_works_as_it_is(tmp_path: Path) -> None:
    made = initialise(tmp_path, project="inventory", engine="embedded", force=False)
    assert made.kept == ()
    settings = load(None, start=tmp_path)
    assert (settings.production.db_port, settings.test.db_port) == (4546, 2346)
    assert (settings.production.database, settings.test.database) == ("inventory", "inventory_test")
    for name in ("backup-production", "reseed-test-database", "verify-production-integrity"):
        script = tmp_path / "scripts" / f"{name}.sh"
        assert script.stat().st_mode & stat.S_IXUSR
    assert ".backups/" in (tmp_path / ".gitignore").read_text().splitlines()


def test_an_existing_configuration_stays_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "ringfence.toml").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        initialise(tmp_path, project="inventory", engine="embedded", force=False)
    assert (tmp_path / "ringfence.toml").read_text() == "mine"
    assert not (tmp_path / ".gitignore").exists()
    initialise(tmp_path, project="inventory", engine="embedded", force=True)
    assert load(None, start=tmp_path).project == "inventory"


def test_gitignore_only_grows_by_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("node_modules\n.backups/")
    initialise(tmp_path, project="inventory", engine="embedded", force=False)
    lines = (tmp_path / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["node_modules", ".backups/"]
    assert lines.count(".backups/") == 1
    before = (tmp_path / ".gitignore").read_bytes()
    assert "." + "gitignore" not in initialise(tmp_path, project="inventory", engine="embedded", force=True).written
    assert (tmp_path / ".gitignore").read_bytes() == before


def test_scripts_of_ones_own_are_kept(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "backup-production.sh").write_text("#!/bin/sh\nmine\n")
    made = initialise(tmp_path, project="shop", engine="embedded", force=False)
    assert made.kept == ("scripts/backup-production.sh",)
    assert "mine" in (tmp_path / "scripts" / "backup-production.sh").read_text()
    assert load(None, start=tmp_path).test.database == "shop_test"


@pytest.mark.parametrize(("project", "engine"), [("Not A Name", "embedded"), ("shop", "docker"), ("shop", "mysql")])
def test_what_cannot_be_is_said_before_anything_is_written(tmp_path: Path, project: str, engine: str) -> None:
    with pytest.raises(UsageError):
        initialise(tmp_path, project=project, engine=engine, force=False)
    assert list(tmp_path.iterdir()) == []
