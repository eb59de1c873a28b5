"""SQL comes from files beside the room that uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

import ringfence
from ringfence.postgres import queries

FILES = sorted(Path(ringfence.__file__).parent.rglob("sql/**/*.sql"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: "/".join(p.parts[-3:]))
def test_every_query_is_found_by_its_name_and_says_what_it_is_for(path: Path) -> None:
    room = path.relative_to(Path(ringfence.__file__).parent).parts
    name = "/".join(room[room.index("sql") + 1 :]).removesuffix(".sql")
    package = ".".join(("ringfence", *room[: room.index("sql")]))
    text = path.read_text("utf-8")
    assert queries.load(package, name).as_string(None) == text
    assert text.startswith("-- ") and text.endswith("\n")


def test_a_query_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        queries.load("ringfence.postgres", "no_such_query")


def test_a_folder_lists_its_queries() -> None:
    names = queries.names("ringfence.integrity", "state")
    assert "state/relation" in names and list(names) == sorted(names)
