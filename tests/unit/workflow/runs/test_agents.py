"""What a single agent is told: a text of the settings, or a file of the project and of nowhere else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ringfence.config.model import Agent
from ringfence.config.values import MOST_INSTRUCTIONS
from ringfence.errors import ConfigError
from ringfence.workflow.runs.agents import instructions_of


def told(root: Path, **given: str) -> str:
    agent = Agent(name="build", command=("x",), **given)  # type: ignore[arg-type]
    return instructions_of(SimpleNamespace(settings=SimpleNamespace(root=root)), agent)  # type: ignore[arg-type]


def test_a_text_a_file_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "build.md").write_text("Be brief. ä")
    assert told(tmp_path) == ""
    assert told(tmp_path, instructions="Be kind.") == "Be kind."
    assert told(tmp_path, instructions_file="docs/build.md") == "Be brief. ä"


def test_the_project_may_be_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "build.md").write_text("x")
    (tmp_path / "link").symlink_to("shop")
    assert told(tmp_path / "link", instructions_file="build.md") == "x"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("missing", "there is no such file"),
        ("directory", "there is no such file"),
        ("link", "a symbolic link is on the way"),
        ("link above", "a symbolic link is on the way"),
        ("loop", ""),
        ("large", "it is larger than"),
        ("bytes", "can't decode"),
    ],
)
def test_a_file_that_is_none_stops_the_run(tmp_path: Path, what: str, said: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "build.md").write_text("key")
    root = tmp_path / "shop"
    (root / "docs").mkdir(parents=True)
    file = root / "docs" / "build.md"
    if what == "directory":
        file.mkdir()
    elif what == "link":
        file.symlink_to(secret / "build.md")
    elif what == "link above":
        (root / "docs").rmdir()
        (root / "docs").symlink_to(secret)
    elif what == "loop":
        file.symlink_to("build.md")
    elif what == "large":
        file.write_bytes(b"x" * (MOST_INSTRUCTIONS + 1))
    elif what == "bytes":
        file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="agent build") as caught:
        told(root, instructions_file="docs/build.md")
    assert said in caught.value.message and "key" not in caught.value.message
