"""Files an agent must leave alone: backups, the guard's files, the tool's state, credentials (pure but for links)."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase

from ringfence.guard.expansion import known, plain
from ringfence.guard.verdict import Refused
from ringfence.guard.words import MARKS, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.guard.policy import Policy

_LOOK = "'ls -la' shows it; a person changes it"
_SOCKETS = ("/docker.sock", "/containerd.sock", "/podman.sock")


def inside(path: str, place: str) -> bool:
    """Whether a path is a place or lies in it."""
    return path == place or path.startswith(place.rstrip("/") + "/")


def resolved(name: str, cwd: str) -> str:
    """An absolute path with the links followed that exist now."""
    return os.path.realpath(os.path.join(cwd, name))


def reached(name: str, cwd: str, places: tuple[str, ...], *, above: bool = False) -> str | None:
    """The place that a name (it may be a pattern) is, lies in, or with ``above`` contains; None where there is none."""
    if not known(name) or (not known(cwd) and not name.startswith("/")):
        return next((p for p in places if _mentions(name, p)), None)
    patterned = plain(name) != name
    absolute = os.path.normpath(os.path.join(cwd, plain(name)))
    paths = {absolute} if patterned else {absolute, resolved(plain(name), cwd)}
    for place in places:
        for path in paths:
            if inside(path, place) or (above and inside(place, path)):
                return place
        if patterned and _matches(os.path.normpath(os.path.join(cwd, name)), place, above=above):
            return place
    return None


def _matches(pattern: str, place: str, *, above: bool) -> bool:
    """Whether a pattern may stand for a place, for something in it, or with ``above`` for a parent of it."""
    parts, names = pattern.split("/"), place.split("/")
    for part, name in zip(parts, names, strict=False):
        shown = plain(part)
        if shown == part:
            if part != name:
                return False
        elif not fnmatchcase(name, shown) or (name.startswith(".") and not part.startswith(".")):
            return False
    return len(parts) >= len(names) or above


def _mentions(text: str, place: str) -> bool:
    """Whether something put together while running was made from the name of a place."""
    last = place.rsplit("/", 1)[-1]
    return len(last) > 3 and last in text.replace(UNKNOWN, "/")


def check_read(policy: Policy, name: str, cwd: str) -> None:
    """Refuse what must not even be read."""
    place = reached(name, cwd, policy.private)
    shown = plain(name).replace(UNKNOWN, "…")
    if place is not None or any(socket in plain(name) for socket in _SOCKETS):
        raise Refused(f"{shown} holds credentials, state or data that agents do not need", "the test database is yours")
    if re.search(r"^/proc/(?!self/|thread-self/|sys/|net/)[^/]+/(environ|mem|root|cwd|fd)\b", plain(name)):
        raise Refused(f"{shown} shows what belongs to other processes")


def check_written(policy: Policy, name: str, cwd: str, *, above: bool = False) -> None:
    """Refuse to write, remove or replace what protects production."""
    check_read(policy, name, cwd)
    shown = plain(name).replace(UNKNOWN, "…")
    if reached(name, cwd, (policy.backups,), above=above):
        raise Refused(f"{shown} leads to the backups of production", _LOOK)
    place = reached(name, cwd, policy.guarded, above=above)
    if place is not None:
        raise Refused(f"{shown} leads to {place}, which protects production", _LOOK)
    if above and reached(name, cwd, policy.private, above=True):
        raise Refused(f"{shown} contains the state of ringfence or credentials", "name the directory that you mean")


def check_into(policy: Policy, name: str, cwd: str, *sources: str) -> None:
    """Refuse to put files into a directory under names that are protected, or into that of an agent's settings.

    ``sources`` are what is copied; without them any name may come of it.
    """
    check_written(policy, name, cwd)
    for source in sources:
        check_written(policy, plain(name).rstrip("/") + "/" + plain(source).rstrip("/").rsplit("/", 1)[-1], cwd)
    target = resolved(plain(name), cwd)
    if not sources and inside(target, policy.root) and target != policy.root and known(name):
        place = next((p for p in policy.guarded if inside(p, target)), None)
        if place is not None:
            raise Refused(f"{plain(name)} holds {place}, which protects production", _LOOK)


def tokens(policy: Policy) -> tuple[str, ...]:
    """What program text would hold to reach these places: relative to the work tree, or the last name."""
    found = []
    for place in (policy.backups, *policy.guarded, *policy.private):
        relative = place[len(policy.root) + 1 :] if inside(place, policy.root) else place
        found.append(relative)
        if "/.config/ringfence" in place or "/.local/" in place:
            found.append("/".join(place.split("/")[-3:]))
    return tuple(one for one in found if len(one) > 4)


def text_names(policy: Policy, text: str) -> str | None:
    """The protected place that a piece of program text names."""
    environ = re.search(r"/proc/(?!self/)[^/\s]+/environ", text)
    return environ[0] if environ else next((one for one in tokens(policy) if one in text), None)


def may_match(pattern: str, names: tuple[str, ...]) -> bool:
    """Whether a pattern of find's ``-name`` can stand for one of these names."""
    for mark in MARKS.values():
        pattern = pattern.replace(mark, plain(mark))
    return any(fnmatchcase(name, pattern) for name in names)
