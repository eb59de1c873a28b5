from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.project import new_project

from ringfence.workflow.servers import setup_tests

CONFIG = "export default {\n  use: {\n    trace: 'on',\n  },\n};\n"


def test_it_writes_what_was_shown_and_only_that(tmp_path: Path) -> None:
    config = tmp_path / "playwright.config.ts"
    config.write_text(CONFIG)
    config.chmod(0o600)
    found = setup_tests.look(tmp_path)
    assert config.read_text() == CONFIG
    assert setup_tests.apply(tmp_path, found) == ("playwright.config.ts",)
    assert config.read_text() == found[0].after and config.stat().st_mode & 0o777 == 0o600
    assert setup_tests.look(tmp_path) == ()


def test_what_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "playwright.config.ts").write_text(CONFIG)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    found = setup_tests.look(tmp_path)
    assert len(found) == 2
    (tmp_path / "playwright.config.ts").write_text("mine")
    (tmp_path / "conftest.py").symlink_to("/dev/null")
    assert setup_tests.apply(tmp_path, found) == ()
    assert (tmp_path / "playwright.config.ts").read_text() == "mine"


@pytest.mark.parametrize("kind", ["link", "directory", "binary"])
def test_what_is_no_plain_text_is_not_looked_at(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "playwright.config.ts"
    if kind == "link":
        (tmp_path / "other").write_text(CONFIG)
        path.symlink_to("other")
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_bytes(b"\xff\xfe" + CONFIG.encode())
    assert setup_tests.look(tmp_path) == ()


@pytest.mark.acceptance
def test_init_shows_it_and_writes_it_when_asked() -> None:
    with new_project() as project:
        config = project.root / "playwright.config.ts"
        config.write_text(CONFIG)
        said = project.run("init").said
        assert "+ baseURL: process.env.TEST_BASE_URL," in said and "--apply-tests" in said
        assert config.read_text() == CONFIG
        document = project.json("init", "--apply-tests")
        assert document["tests"][0]["written"] is True and "TEST_BASE_URL" in config.read_text()
        assert project.json("init", "--apply-tests")["tests"] == []
        project.refused("init", code=2)
