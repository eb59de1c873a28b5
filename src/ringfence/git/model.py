"""What the git room tells the workflow: frozen values, those that a journal keeps with their JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GITLINK_MODE = "160000"


@dataclass(frozen=True, kw_only=True)
class Remote:
    """Where a branch is pushed to, recorded before the agents start.

    ``url`` is as the configuration has it (a rewriting by ``insteadOf`` happens when git uses it); it may hold a
    password, so `redact` it before it is shown. ``name`` is None where the branch names a URL.
    """

    name: str | None
    url: str
    more_urls: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form in a journal. Private: see ``url``."""
        return {"name": self.name, "url": self.url, "more_urls": list(self.more_urls)}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Remote:
        """What `to_json` wrote."""
        return cls(name=said["name"], url=said["url"], more_urls=tuple(said["more_urls"]))


@dataclass(frozen=True, kw_only=True)
class State:
    """A repository at one moment. Paths are relative to ``top``, decoded as the file system does (surrogateescape).

    ``branch`` is None on a detached HEAD, ``head`` None before the first commit. ``operation`` is a merge, rebase, …
    that was begun. ``programs_in_work_tree`` are settings that make git run a file which agents may change.
    """

    top: Path
    bare: bool = False
    branch: str | None = None
    head: str | None = None
    operation: str | None = None
    staged: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    unmerged: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    remote: Remote | None = None
    programs_in_work_tree: tuple[str, ...] = ()
    uploads_lfs_by_hook: bool = False

    @property
    def detached(self) -> bool:
        """Whether HEAD is on no branch."""
        return self.branch is None and not self.bare

    @property
    def dirty(self) -> tuple[str, ...]:
        """Every tracked path that differs from HEAD, once each, in order."""
        return tuple(sorted({*self.staged, *self.modified, *self.unmerged}))


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a run that commits cannot start, and what to do about it."""

    text: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The whole work tree at one moment as a tree object, with the branch and the commit it stood on.

    ``skipped`` are repositories inside the work tree that are no submodules: their files belong to them.
    """

    tree: str
    branch: str | None
    head: str | None
    skipped: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form in a journal."""
        return {"tree": self.tree, "branch": self.branch, "head": self.head, "skipped": list(self.skipped)}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Snapshot:
        """What `to_json` wrote."""
        return cls(tree=said["tree"], branch=said["branch"], head=said["head"], skipped=tuple(said["skipped"]))


@dataclass(frozen=True, kw_only=True)
class Change:
    """One path that differs between two trees. ``status`` is A, M, T (another type) or D; a rename is a D and an A."""

    status: str
    path: str
    mode: str
    object_id: str
    old_mode: str

    @property
    def is_submodule(self) -> bool:
        """Whether either side is the commit of a submodule."""
        return GITLINK_MODE in (self.mode, self.old_mode)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A path that a run changed and that is not committed, and why."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Committed:
    """What a commit did. ``commit`` is None where nothing was left to commit; ``head`` is what there is to push.

    ``agent_commits`` are commits that the agents made themselves, newest first; ``notes`` are for the person.
    """

    head: str | None
    commit: str | None
    paths: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    agent_commits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def something_to_push(self) -> bool:
        """Whether the run made the branch longer."""
        return self.commit is not None or bool(self.agent_commits)


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """A push that the remote repository showed afterwards."""

    commit: str
    branch: str
    url: str
