"""Reading what git says of a repository, and deciding whether a run that commits may start. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringfence.git.model import GITLINK_MODE, Change, LeftOut, Problem, Remote, State
from ringfence.redact import one_line

_SHOWN_PATHS = 5


@dataclass(frozen=True, kw_only=True)
class Status:
    """The paths of ``git status``."""

    staged: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    unmerged: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()


def parse_status(listing: bytes) -> Status:
    """``git status --porcelain=v2 -z --no-renames`` as paths."""
    staged, modified, unmerged, untracked = [], [], [], []
    for entry in (os.fsdecode(item) for item in listing.split(b"\0")[:-1]):
        kind, _, rest = entry.partition(" ")
        if kind == "1":
            codes, *_, path = rest.split(" ", 7)
            if codes[0] != ".":
                staged.append(path)
            if codes[1] != ".":
                modified.append(path)
        elif kind == "u":
            unmerged.append(rest.split(" ", 9)[-1])
        elif kind == "?":
            untracked.append(rest)
    return Status(staged=tuple(staged), modified=tuple(modified), unmerged=tuple(unmerged), untracked=tuple(untracked))


def parse_diff(listing: bytes) -> list[Change]:
    """``git diff-tree -r -z --no-renames --no-abbrev`` as changes; the object id of a deleted path is all zeros."""
    fields = [os.fsdecode(item) for item in listing.split(b"\0")[:-1]]
    changes = []
    for described, path in zip(fields[::2], fields[1::2], strict=True):
        old_mode, mode, _, object_id, status = described.removeprefix(":").split(" ")
        changes.append(Change(status=status[0], path=path, mode=mode, object_id=object_id, old_mode=old_mode))
    return changes


def index_info(changes: Sequence[Change]) -> bytes:
    """The changes as input of ``git update-index -z --index-info``, deletions first: a file may become a directory."""
    ordered = sorted(changes, key=lambda change: change.status != "D")
    return b"".join(
        f"{'0' if c.status == 'D' else c.mode} {c.object_id}\t".encode() + os.fsencode(c.path) + b"\0" for c in ordered
    )


def remote_of(effective: Mapping[str, Sequence[str]], branch: str | None) -> Remote | None:
    """Where ``git push`` leads: the branch's own push remote, the general one, its upstream's, origin, the only one."""
    named = [key.removeprefix("remote.").rpartition(".")[0] for key in effective if key.startswith("remote.")]
    known = list(dict.fromkeys(name for name in named if name and f"remote.{name}.url" in effective))
    wanted = [f"branch.{branch}.pushremote", "remote.pushdefault", f"branch.{branch}.remote"]
    for key in wanted:
        name = effective.get(key, ("",))[-1]
        if name in ("", "."):
            continue
        # What names no remote is itself a URL, as git has it.
        return _remote(effective, name) if name in known else Remote(name=None, url=name)
    if "origin" in known:
        return _remote(effective, "origin")
    return _remote(effective, known[0]) if len(known) == 1 else None


def _remote(effective: Mapping[str, Sequence[str]], name: str) -> Remote:
    urls = [u for u in effective.get(f"remote.{name}.pushurl", ()) or effective[f"remote.{name}.url"] if u]
    return Remote(name=name, url=urls[0] if urls else name, more_urls=tuple(urls[1:]))


def problems_before_run(state: State | None, *, commit: bool, push: bool, allow_dirty: bool = False) -> list[Problem]:
    """Everything that stands in the way of a run that commits (and pushes); None is a directory without a repository.

    Untracked files are no problem: they are never swept up. Nothing is stashed.
    """
    if not commit:
        return []
    if state is None:
        return [Problem(text="there is no git repository here", hint="'git init', or set commit = false in [git]")]
    if state.bare:
        return [Problem(text=f"{state.top} is a bare repository", hint="run in a work tree of it")]
    found = []
    if state.detached:
        found.append(Problem(text="HEAD is detached: there is no branch to commit to", hint="'git switch' to a branch"))
    if state.operation:
        found.append(
            Problem(text=f"a {state.operation} was begun and not ended", hint="end or abort it; see 'git status'")
        )
    if state.dirty and not allow_dirty:
        found.append(
            Problem(
                text=f"tracked files differ from the last commit: {_listed(state.dirty)}",
                hint="commit or stash them first, or allow it: then files that agents change too are committed whole",
            )
        )
    found += [
        Problem(
            text=f"git would run a program of the work tree, which agents can change: {setting}",
            hint="use a program outside the work tree for this setting, or set commit = false in [git]",
        )
        for setting in state.programs_in_work_tree
    ]
    return found + (_problems_before_push(state) if push else [])


def _problems_before_push(state: State) -> list[Problem]:
    found = []
    if state.remote is None:
        found.append(
            Problem(
                text=f"there is no remote to push {one_line(state.branch or 'HEAD')} to",
                hint="add one with 'git remote add origin URL', or use --no-push",
            )
        )
    elif state.remote.more_urls:
        found.append(
            Problem(
                text=f"remote {one_line(state.remote.name or '')} is pushed to {len(state.remote.more_urls) + 1} URLs",
                hint="keep one, or use --no-push and push yourself",
            )
        )
    if state.uploads_lfs_by_hook:
        found.append(
            Problem(
                text="Git LFS uploads its files by the pre-push hook, and hooks are not run here",
                hint="use --no-push and push yourself",
            )
        )
    return found


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(one_line(p) for p in paths[:_SHOWN_PATHS])
    return shown if len(paths) <= _SHOWN_PATHS else f"{shown} and {len(paths) - _SHOWN_PATHS} more"


def divide(
    to_after: Sequence[Change], *, touched: frozenset[str], own: frozenset[str]
) -> tuple[list[Change], list[LeftOut]]:
    """What of the way from HEAD to the end of the run is committed, and what is left out with its reason.

    ``touched`` are the paths that the run changed, ``own`` those that were the person's before it and never committed.
    """
    commit, left_out = [], []
    for change in to_after:
        if change.path not in touched:
            continue
        if change.is_submodule:
            reason = "a submodule's commit; commit and push it from the submodule"
            left_out.append(LeftOut(path=change.path, reason=reason))
        elif change.path in own:
            left_out.append(LeftOut(path=change.path, reason="it was there before the run and is in no commit"))
        else:
            commit.append(change)
    return commit, left_out


def submodules(listing: bytes) -> list[str]:
    """The paths of submodules in ``git ls-files -s -z``."""
    entries = (os.fsdecode(item).partition("\t") for item in listing.split(b"\0")[:-1])
    return [path for described, _, path in entries if described.startswith(GITLINK_MODE)]
