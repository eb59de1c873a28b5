"""Reading git's listings, and whether a run may start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ringfence.git.model import Change, Remote, State
from ringfence.git.state import divide, index_info, parse_diff, parse_status, problems_before_run, remote_of, submodules

ORIGIN = Remote(name="origin", url="u")
CLEAN = State(top=Path("/p"), branch="main", head="a" * 40, remote=ORIGIN)


def state(**values: object) -> State:
    return State(**{"top": Path("/p"), "branch": "main", "head": "a" * 40, "remote": ORIGIN, **values})  # type: ignore[arg-type]


def texts(found: State | None, *, commit: bool = True, push: bool = True, allow_dirty: bool = False) -> str:
    problems = problems_before_run(found, commit=commit, push=push, allow_dirty=allow_dirty)
    assert all(p.text and p.hint for p in problems)
    return "; ".join(p.text for p in problems)


@pytest.mark.parametrize(
    "fine",
    [CLEAN, state(untracked=("notes",)), state(head=None), state(branch="a/b")],
)
def test_nothing_stands_in_the_way(fine: State) -> None:
    assert texts(fine) == ""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (None, "no git repository"),
        (state(bare=True, branch=None), "bare repository"),
        (state(branch=None), "detached"),
        (state(operation="rebase"), "a rebase was begun"),
        (state(modified=("a", "b")), "differ from the last commit: a, b"),
        (state(staged=("x\ny",)), r"last commit: x\ny"),
        (state(unmerged=("u",)), "last commit: u"),
        (state(modified=tuple("abcdefgh")), "a, b, c, d, e and 3 more"),
        (state(remote=None), "no remote to push main to"),
        (state(remote=Remote(name="origin", url="u", more_urls=("v",))), "pushed to 2 URLs"),
        (state(programs_in_work_tree=("filter.x.clean = ./x",)), "program of the work tree"),
        (state(uploads_lfs_by_hook=True), "Git LFS"),
    ],
)
def test_each_problem_is_named(wrong: State | None, said: str) -> None:
    assert said in texts(wrong)


def test_problems_are_told_together() -> None:
    found = problems_before_run(
        state(branch=None, modified=("a",), operation="merge", remote=None), commit=True, push=True
    )
    assert len(found) == 4


def test_what_is_not_wanted_is_no_problem() -> None:
    assert texts(None, commit=False, push=False) == ""
    assert texts(state(remote=None, uploads_lfs_by_hook=True), push=False) == ""
    assert texts(state(modified=("a",), staged=("b",)), allow_dirty=True) == ""


def test_status_is_read() -> None:
    ids = "100644 100644 100644 aaa bbb"
    entries = [
        f"1 M. N... {ids} a b",
        f"1 .M N... {ids} c\nd",
        f"1 MD N... {ids} e",
        f"u UU N... 100644 {ids} ccc f g",
        "? new file",
        "! ignored",
        "? \udcff",
    ]
    listing = b"".join(os.fsencode(entry) + b"\0" for entry in entries)
    status = parse_status(listing)
    assert status.staged == ("a b", "e")
    assert status.modified == ("c\nd", "e")
    assert status.unmerged == ("f g",)
    assert status.untracked == ("new file", "\udcff")
    assert parse_status(b"").staged == ()


def test_differences_and_index_lines() -> None:
    listing = b":000000 100755 000 111 A\0a\nb\0:100644 000000 222 000 D\0\xff\0:100644 160000 222 333 T\0sub\0"
    changes = parse_diff(listing)
    assert [(c.status, c.path, c.is_submodule) for c in changes] == [
        ("A", "a\nb", False),
        ("D", "\udcff", False),
        ("T", "sub", True),
    ]
    assert index_info(changes) == b"0 000\t\xff\x00100755 111\ta\nb\x00160000 333\tsub\x00"


def change(path: str, mode: str = "100644") -> Change:
    return Change(status="M", path=path, mode=mode, object_id="1", old_mode="100644")


def test_what_is_committed_and_what_is_left_out() -> None:
    every = [change("run"), change("mine"), change("elsewhere"), change("sub", "160000")]
    commit, left = divide(every, touched=frozenset({"run", "mine", "sub"}), own=frozenset({"mine"}))
    assert [c.path for c in commit] == ["run"]
    assert [(found.path, found.reason.split()[0]) for found in left] == [("mine", "it"), ("sub", "a")]


def test_submodules_are_found_in_a_listing() -> None:
    assert submodules(b"100644 a 0\tf\x00160000 b 0\tli\tb\x00") == ["li\tb"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, None),
        ({"remote.origin.url": "u"}, ORIGIN),
        ({"remote.up.url": "v"}, Remote(name="up", url="v")),
        ({"remote.a.url": "u", "remote.b.url": "v"}, None),
        ({"remote.a.url": "u", "remote.b.url": "v", "branch.main.remote": "b"}, Remote(name="b", url="v")),
        ({"remote.a.url": "u", "remote.b.url": "v", "remote.pushdefault": "a", "branch.main.remote": "b"},
         Remote(name="a", url="u")),
        ({"remote.a.url": "u", "remote.b.url": "v", "remote.pushdefault": "a", "branch.main.pushremote": "b"},
         Remote(name="b", url="v")),
        ({"remote.origin.url": "u", "branch.main.remote": "."}, ORIGIN),
        ({"remote.origin.url": "u", "branch.other.remote": "x"}, ORIGIN),
        ({"branch.main.remote": "ssh://host/x"}, Remote(name=None, url="ssh://host/x")),
        ({"remote.origin.url": "u", "remote.origin.pushurl": "p"}, Remote(name="origin", url="p")),
        ({"remote.a.b.url": "u"}, Remote(name="a.b", url="u")),
        ({"remote.origin.url": ("u", "v")}, Remote(name="origin", url="u", more_urls=("v",))),
    ],
)  # fmt: skip
def test_the_remote_is_the_one_git_would_push_to(config: dict, expected: Remote | None) -> None:
    effective = {key: (value,) if isinstance(value, str) else value for key, value in config.items()}
    assert remote_of(effective, "main") == expected
