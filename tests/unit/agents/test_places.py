"""Files in a directory that agents can write to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ringfence.agents import places
from ringfence.errors import AgentError


def test_directories_are_made_and_entered(tmp_path: Path) -> None:
    for _ in range(2):
        with places.directory(tmp_path, ("a", "b")) as parent:
            places.write_whole("x", b"1", parent)
    assert (tmp_path / "a" / "b" / "x").read_bytes() == b"1"


def test_a_file_in_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(AgentError, match="not a directory"), places.directory(tmp_path, ("a", "b")):
        pass


def test_a_directory_that_is_swapped_for_a_link_while_it_is_open_is_still_the_one(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with places.directory(tmp_path, ("a",)) as parent:
        (tmp_path / "a").rename(tmp_path / "moved")
        (tmp_path / "a").symlink_to(elsewhere)
        places.write_whole("x", b"1", parent)
    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / "moved" / "x").exists()


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    before = len(os.listdir("/dev/fd"))
    with places.directory(tmp_path, ("a", "b", "c")):
        pass
    with pytest.raises(AgentError), places.directory(tmp_path, ("link",)):
        pass
    assert len(os.listdir("/dev/fd")) == before


def test_set_aside_takes_the_first_free_number(tmp_path: Path) -> None:
    with places.directory(tmp_path, ()) as parent:
        assert places.set_aside("x", ".md", parent) is None
        for number, content in ((1, "one"), (2, "two")):
            (tmp_path / "x.md").write_text(content)
            assert places.set_aside("x", ".md", parent) == f"x.{number}.md"
    assert (tmp_path / "x.1.md").read_text() == "one" and (tmp_path / "x.2.md").read_text() == "two"


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with places.directory(tmp_path, ()) as parent, pytest.raises(IsADirectoryError):
        places.write_whole("x", b"1", parent)
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_read_takes_plain_files_only(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"x")
    (tmp_path / "link").symlink_to("plain")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with places.directory(tmp_path, ()) as parent:
        assert places.read("plain", parent) == b"x"
        assert places.read("missing", parent) is None
        for name in ("link", "directory", "pipe"):
            with pytest.raises(ValueError):
                places.read(name, parent)
