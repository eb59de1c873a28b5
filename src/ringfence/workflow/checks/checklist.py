"""One line of a checklist, and what two servers must show to be apart (pure: facts in, lines out).

A line that could not be looked at does not hold. Each says what was seen, so that a person can judge it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from ringfence.engines.model import Container, Evidence, Storage
from ringfence.findings import Finding, Severity
from ringfence.postgres.identity import Identity
from ringfence.redact import one_line

Outcome = Literal["holds", "fails", "unknown", "open"]
"""``open``: there is nothing to judge yet, or the settings say that it is not wanted; it is said, and is no finding."""

_RANGE = 100
"""Ports of one range differ in their last two digits only: 4545 and 4546 are one range, 2345 is another."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """``name`` is stable (``separation/servers``) and the rule of its findings; ``evidence`` is what was seen."""

    name: str
    text: str
    outcome: Outcome
    evidence: tuple[str, ...]
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One of ``lines`` of ``check --json``."""
        return {"name": self.name, "text": self.text, "outcome": self.outcome, "evidence": list(self.evidence)}


def holds(name: str, text: str, *evidence: str) -> Line:
    """A line that was looked at and is as it must be."""
    return Line(name=name, text=text, outcome="holds", evidence=evidence)


def not_yet(name: str, text: str, *why: str) -> Line:
    """A line about something that has not happened yet, or is not wanted."""
    return Line(name=name, text=text, outcome="open", evidence=why)


def fails(
    name: str, text: str, message: str, *, severity: Severity, about: str, fix: str, evidence: Sequence[str] = ()
) -> Line:
    """A line that was looked at and does not hold."""
    finding = Finding(
        rule=name,
        severity=severity,
        object=about,
        message=message,
        fix=fix,
        evidence="\n".join(evidence) or None,
    )
    return Line(name=name, text=text, outcome="fails", evidence=(message, *evidence), findings=(finding,))


def unknown(name: str, text: str, why: str, *, about: str, fix: str, severity: Severity = "high") -> Line:
    """A line that could not be looked at, which is no better than one that does not hold."""
    message = f"this could not be looked at: {why}"
    finding = Finding(rule=name, severity=severity, object=about, message=message, fix=fix)
    return Line(name=name, text=text, outcome="unknown", evidence=(message,), findings=(finding,))


# ── two servers ──


def servers(production: Identity, test: Identity, *, share_a_lock: bool) -> Line:
    """Two running servers, neither the same under another address nor a copy of the other's files."""
    name, text = "separation/servers", "test and production are two servers"
    seen = (
        f"production: {production.describe()}",
        f"test: {test.describe()}",
        "a lock taken on production is " + ("seen" if share_a_lock else "not seen") + " on test",
    )
    fix = "give test a server of its own: check [test] in ringfence.toml, then 'ringfence up test'"
    if share_a_lock:
        message = "test leads into production's server"
    elif production.system_identifier == test.system_identifier:
        message = "test is a copy of production's files, or a standby of it"
    else:
        return holds(name, text, *seen)
    return fails(name, text, message, severity="critical", about="test server", fix=fix, evidence=seen)


def database_names(production: Identity, test: str) -> Line:
    """Names that cannot be mistaken for each other."""
    name, text = "separation/databases", "their databases have different names"
    if production.database != test:
        return holds(name, text, f'"{one_line(production.database)}" and "{one_line(test)}"')
    return fails(
        name,
        text,
        f'both databases are called "{one_line(test)}"',
        severity="medium",
        about=one_line(test),
        fix="give the test database another name in ringfence.toml",
    )


def ports(production: Sequence[int], test: Sequence[int]) -> Line:
    """Ports that differ, and so much that one mistyped digit at the end does not lead to the other environment."""
    name, text = "separation/ports", "their ports differ and come from different ranges"
    seen = f"production {_list(production)}, test {_list(test)}"
    fix = "choose ports from another range for test in ringfence.toml, as 4545/4546 and 2345/2346"
    if set(production) & set(test):
        return fails(name, text, f"a port is used twice: {seen}", severity="high", about="ports", fix=fix)
    shared = {p // _RANGE for p in production} & {p // _RANGE for p in test}
    if shared:
        range_text = ", ".join(f"{r}xx" for r in sorted(shared))
        message = f"both have ports in the range {range_text}: {seen}; one mistyped digit leads to the other"
        return fails(name, text, message, severity="low", about="ports", fix=fix)
    return holds(name, text, seen)


def storage(production: Evidence, test: Evidence, *, two_systems: bool) -> Line:
    """No directory or volume that both servers use, whatever it is called.

    Where one cannot be looked at, ``two_systems`` decides: servers with different system identifiers cannot run in one
    data directory, because it holds the identifier.
    """
    name, text = "separation/storage", "their data lie in different directories or volumes"
    fix = "give test a directory or volume of its own: stop it, move its data away, 'ringfence up test'"
    shared = [
        w for a in production.storage for b in test.storage for w in _shared(a, b, _same_machine(production, test))
    ]
    seen = [f"{e.environment}: {_place(s)}" for e in (production, test) for s in e.storage]
    if shared:
        return fails(
            name,
            text,
            f"both servers use {'; '.join(shared)}",
            severity="critical",
            about="data directories",
            fix=fix,
            evidence=seen,
        )
    unseen = [f"{e.environment}: {w}" for e in (production, test) for w in _unseen(e)]
    if not unseen:
        return holds(name, text, *seen)
    if two_systems:
        return holds(name, text, *seen, "not looked at: " + "; ".join(unseen), "their system identifiers differ")
    return unknown(name, text, "; ".join(unseen), about="data directories", fix="start both servers and look again")


def containers(production: Evidence, test: Evidence) -> Line | None:
    """Two containers that share nothing that leads from one into the other; None where there is no container."""
    name, text = "separation/containers", "their containers share no process, network or mount"
    if production.container is None and test.container is None:
        return None
    seen = tuple(_described(c) for c in (production.container, test.container) if c is not None)
    wrong = _shared_containers(production.container, test.container)
    if test.container is not None:
        wrong += _too_open(test.container)
    if not wrong:
        return holds(name, text, *seen)
    fix = "let 'ringfence init --engine docker' write the compose file, and make the test container anew"
    about = one_line(test.container.name if test.container else "test")
    return fails(name, text, "; ".join(wrong), severity="high", about=about, fix=fix, evidence=seen)


def _shared_containers(production: Container | None, test: Container | None) -> list[str]:
    if production is None or test is None:
        return []
    wrong = []
    if production.id == test.id:
        wrong.append(f"both are the container {one_line(production.name)}")
    common = {n.id: n.name for n in production.networks}.keys() & {n.id for n in test.networks}
    names = sorted(n.name for n in production.networks if n.id in common)
    if names:
        wrong.append(f"both are in network {one_line(', '.join(names))}")
    mounts = {m.split(":")[0] for m in production.mounts} & {m.split(":")[0] for m in test.mounts}
    if mounts:
        wrong.append(f"both mount {one_line(', '.join(sorted(mounts)))}")
    for one, other in ((production, test), (test, production)):
        named = (one.pid_mode, one.ipc_mode, one.network_mode, *one.volumes_from)
        if any(other.id and (other.id in n or n.split(":")[-1] == other.name) for n in named if n):
            wrong.append(f"{one_line(one.name)} uses processes, memory, network or volumes of {one_line(other.name)}")
    return wrong


def _too_open(container: Container) -> list[str]:
    wrong = []
    if container.privileged:
        wrong.append(f"{one_line(container.name)} is privileged: whoever is root in it is root on the machine")
    for kind, mode in (("pid", container.pid_mode), ("ipc", container.ipc_mode), ("network", container.network_mode)):
        if mode == "host":
            wrong.append(f"{one_line(container.name)} uses the machine's own {kind} namespace")
    if any("docker.sock" in m for m in container.mounts):
        wrong.append(f"{one_line(container.name)} has the Docker socket: it can start anything as root")
    return wrong


def _described(container: Container) -> str:
    networks = ", ".join(n.name + (" (internal)" if n.internal else "") for n in container.networks)
    return one_line(f"container {container.name} ({container.id[:12]}), networks {networks or 'none'}")


def _shared(one: Storage, other: Storage, same_machine: bool) -> Iterable[str]:
    if one.volume is not None and one.volume == other.volume:
        yield f"volume {one_line(one.volume)}"
    elif same_machine and one.inode is not None and (one.device, one.inode) == (other.device, other.inode):
        yield f"one directory (device {one.device}, inode {one.inode}): {one_line(one.path)}, {one_line(other.path)}"
    elif same_machine and one.volume is None and other.volume is None and _nested(one.path, other.path):
        yield f"directories inside of each other: {one_line(one.path)}, {one_line(other.path)}"


def _nested(one: str, other: str) -> bool:
    a, b = PurePosixPath(one), PurePosixPath(other)
    return a.is_relative_to(b) or b.is_relative_to(a)


def _same_machine(production: Evidence, test: Evidence) -> bool:
    return production.machine is not None and production.machine == test.machine


def _unseen(evidence: Evidence) -> list[str]:
    found = [f"{one_line(s.path)} has no device and inode" for s in evidence.storage if s.inode is None]
    return [*found, *([] if evidence.storage else ["no directory is known"]), *evidence.unknown]


def _place(place: Storage) -> str:
    volume = f"volume {place.volume}, " if place.volume else ""
    inode = "not looked at" if place.inode is None else f"device {place.device}, inode {place.inode}"
    return one_line(f"{place.path} ({volume}{inode})")


def _list(numbers: Sequence[int]) -> str:
    return "/".join(str(n) for n in sorted(set(numbers)))
