"""What a sandbox is asked for, what it is made of, and what was found when somebody tried to get out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ringfence.wording import counted

Layer = Literal["bwrap-net", "bwrap", "landlock", "none"]
LAYERS: tuple[Layer, ...] = ("bwrap-net", "bwrap", "landlock")
"""In the order of preference."""

LAYER_TEXT: dict[Layer, str] = {
    "bwrap-net": "bubblewrap with a network of its own, forwarder, seccomp",
    "bwrap": "bubblewrap, Landlock, seccomp",
    "landlock": "Landlock and seccomp (partial)",
    "none": "no sandbox",
}

MountKind = Literal["read", "write", "link", "scratch", "closed", "masked"]


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One place of the file system as an agent sees it.

    ``read`` and ``write`` show the machine's own; ``link`` is a symbolic link to ``target``; ``scratch`` is empty,
    writable and gone afterwards; ``closed`` is an empty directory that cannot be written; ``masked`` a file that holds
    nothing. ``source`` is another place of the machine that is shown here.
    """

    kind: MountKind
    path: Path
    target: str | None = None
    source: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Forward:
    """An address inside (always on the loopback) that leads to one outside."""

    inside: tuple[str, int]
    outside: tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an agent is to see and to reach. Paths are absolute and without symbolic links.

    ``homes`` become empty and get back only what is listed in ``read`` and ``write``, and of ``copy`` a copy. ``hide``
    is never seen, whatever else says so; ``protect`` is seen and cannot be changed. ``hosts`` are reached over https.
    ``names`` stand for the loopback, where the network is a namespace: certificates are looked at by them.
    """

    worktree: Path
    homes: tuple[Path, ...]
    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    copy: tuple[Path, ...] = ()
    hide: tuple[Path, ...] = ()
    protect: tuple[Path, ...] = ()
    forwards: tuple[Forward, ...] = ()
    hosts: tuple[tuple[str, int], ...] = ()
    names: tuple[str, ...] = ()
    denied_ports: tuple[int, ...] = ()
    upstream_proxy: str | None = None
    no_proxy: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try to get out, or for a ``control`` to do what an honest agent must be able to do.

    ``reached`` says whether it got through; None that it could not be tried, which for an attempt is no proof of
    anything and for a control a failure.
    """

    name: str
    control: bool
    reached: bool | None
    detail: str

    @property
    def good(self) -> bool:
        """Whether it ended as it must."""
        return self.reached is True if self.control else self.reached is False

    def to_json(self) -> dict[str, Any]:
        """The keys of ``sandbox --probe --json``."""
        return {"name": self.name, "control": self.control, "reached": self.reached, "detail": self.detail}


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What the probes found of one layer."""

    layer: Layer
    attempts: tuple[Attempt, ...]
    problem: str | None = None
    gaps: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether nothing got through and an honest agent can work."""
        return self.problem is None and bool(self.attempts) and all(a.good for a in self.attempts)

    def failures(self) -> tuple[str, ...]:
        """What did not end as it must, for people."""
        found = [self.problem] if self.problem else []
        for attempt in self.attempts:
            if not attempt.good:
                how = "got through" if attempt.reached and not attempt.control else "could not be tried"
                how = "does not work" if attempt.control else how
                found.append(f"{attempt.name} {how}: {attempt.detail}")
        return tuple(found)

    def summary(self) -> str:
        """``bubblewrap …: 52 attempts denied, 8 controls work``."""
        tried = sum(not a.control for a in self.attempts)
        controls = counted(len(self.attempts) - tried, "control works", "controls work")
        return f"{LAYER_TEXT[self.layer]}: {counted(tried, 'attempt')} denied, {controls}"
