"""``init`` writes what a project needs and never over somebody's work."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ringfence.config.load import load
from ringfence.config.template import Place
from ringfence.errors import ConfigError, UsageError
from ringfence.workflow.servers.setup import initialise


def test_what_it_writes_works_as_it_is(tmp_path: Path) -> None:
    made = initialise(tmp_path, project="inventory", force=False)
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
        initialise(tmp_path, project="inventory", force=False)
    assert (tmp_path / "ringfence.toml").read_text() == "mine"
    assert not (tmp_path / ".gitignore").exists()
    initialise(tmp_path, project="inventory", force=True)
    assert load(None, start=tmp_path).project == "inventory"


def test_gitignore_only_grows_by_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("node_modules\n.backups/")
    initialise(tmp_path, project="inventory", force=False)
    lines = (tmp_path / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["node_modules", ".backups/"]
    assert lines.count(".backups/") == 1
    before = (tmp_path / ".gitignore").read_bytes()
    assert "." + "gitignore" not in initialise(tmp_path, project="inventory", force=True).written
    assert (tmp_path / ".gitignore").read_bytes() == before


def test_scripts_of_ones_own_are_kept(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "backup-production.sh").write_text("#!/bin/sh\nmine\n")
    made = initialise(tmp_path, project="shop", force=False)
    assert made.kept == ("scripts/backup-production.sh",)
    assert "mine" in (tmp_path / "scripts" / "backup-production.sh").read_text()
    assert load(None, start=tmp_path).test.database == "shop_test"


@pytest.mark.parametrize(("project", "engine"), [("Not A Name", "embedded"), ("shop", "server"), ("shop", "mysql")])
def test_what_cannot_be_is_said_before_anything_is_written(tmp_path: Path, project: str, engine: str) -> None:
    with pytest.raises(UsageError):
        initialise(tmp_path, project=project, production=Place(engine=engine), force=False)
    assert list(tmp_path.iterdir()) == []


def test_compose_files_come_with_the_engine_docker(tmp_path: Path) -> None:
    made = initialise(tmp_path, project="shop", test=Place(engine="docker", image="mine:1"), force=False)
    assert "compose.test.yaml" in made.written and "compose.production.yaml" not in made.written
    text = (tmp_path / "compose.test.yaml").read_text()
    assert '"mine:1"' in text and '"shop-db-test"' in text and '"127.0.0.1:2346:5432"' in text
    assert (tmp_path / "compose.test.yaml").stat().st_mode & 0o777 == 0o644
