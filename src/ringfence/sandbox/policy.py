"""What an agent sees of the file system: an allow-list, from which what must stay hidden is taken out again. Pure.

The root is empty. System directories are put into it, the home directories as empty ones, then what the agent needs of
them, the work tree, and last the hidden and protected places inside what is visible. A deeper place always comes after
the one that holds it. Nothing is denied by name that could as well not be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ringfence.sandbox.model import Mount, Wanted
from ringfence.sandbox.places import CLOSED, SCRATCH, SYSTEM, SYSTEM_PARTS

Kind = Literal["directory", "file", "link", "socket", "absent"]
"""What stands at a path, without following it where it is a symbolic link."""


class NotPossibleError(Exception):
    """What is asked for cannot be had: the text says why."""


def mounts(wanted: Wanted, kind_of: Callable[[Path], Kind], sockets: Iterable[Path] = ()) -> tuple[Mount, ...]:
    """Every place in the order in which it must be made. ``sockets`` are the listening ones of this machine.

    Raises NotPossibleError where a hidden place holds the work tree.
    """
    _require_sense(wanted)
    places: dict[Path, Mount] = {}
    for name in (*SYSTEM, *SYSTEM_PARTS):
        _show(places, Path(name), "read", kind_of)
    for name in SCRATCH:
        places[Path(name)] = Mount(kind="scratch", path=Path(name))
    for home in wanted.homes:
        places[home] = Mount(kind="scratch", path=home)
    for path in wanted.read:
        if not _is_hidden(path, wanted.hide) and not path.is_relative_to(wanted.worktree):
            _show(places, path, "read", kind_of)
    for path in (*wanted.write, wanted.worktree):
        if not _is_hidden(path, wanted.hide):
            _show(places, path, "write", kind_of)
    for path in wanted.protect:
        _protect(places, path, wanted.worktree, kind_of)
    for path in (*(Path(name) for name in CLOSED), *wanted.hide):
        _hide(places, path, kind_of)
    for path in sockets:
        if _visible(places, path):
            places[path] = Mount(kind="masked", path=path)
    # Sorting is stable, so that of two places at the same depth the order above stands.
    return tuple(sorted(places.values(), key=lambda mount: len(mount.path.parts)))


def _require_sense(wanted: Wanted) -> None:
    for hidden in wanted.hide:
        if wanted.worktree.is_relative_to(hidden):
            raise NotPossibleError(f"the work tree {wanted.worktree} lies in {hidden}, which agents must not see")
    for home in wanted.homes:
        if home.is_relative_to(wanted.worktree):
            raise NotPossibleError(
                f"the home directory {home} lies in the work tree {wanted.worktree}: its credentials would show"
            )


def is_writable(path: Path, made: Iterable[Mount]) -> bool:
    """Whether an agent could change the machine's own file at a path."""
    holder = _holder({mount.path: mount for mount in made}, path)
    return holder is not None and holder.kind == "write"


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """The places as Landlock can have them: it can only allow, and what it allows holds for everything below."""

    names: tuple[str, ...]
    read: tuple[str, ...]
    write: tuple[str, ...]


def landlock_paths(made: Iterable[Mount], entries_of: Callable[[Path], Iterable[Path]]) -> Allowed:
    """The same for Landlock.

    A directory of which a part is hidden or protected is allowed entry by entry, so nothing new can be made directly in
    it. That would be the end of git in ``.git``, so what is protected there is not: the verification looks at it.
    """
    all_mounts = list(made)
    hidden = [m.path for m in all_mounts if m.kind in ("closed", "masked")]
    kept = [m.path for m in all_mounts if m.kind == "read" and ".git" not in m.path.parts]
    names, read, write = [], [], []
    for mount in all_mounts:
        if mount.kind == "read":
            read += _around(mount.path, hidden, entries_of)
        elif mount.kind == "write":
            write += _around(mount.path, [*hidden, *kept], entries_of)
            names.append(str(mount.path))
    return Allowed(names=tuple(names), read=tuple(read), write=tuple(write))


def _around(path: Path, holes: list[Path], entries_of: Callable[[Path], Iterable[Path]]) -> list[str]:
    """A directory without some parts of it, as a list of what is left."""
    if path in holes:
        return []
    inside = [hole for hole in holes if path in hole.parents]
    if not inside:
        return [str(path)]
    return [found for entry in entries_of(path) for found in _around(entry, inside, entries_of)]


def _show(
    places: dict[Path, Mount], path: Path, kind: Literal["read", "write"], kind_of: Callable[[Path], Kind]
) -> None:
    holder = _holder(places, path)
    if kind == "read" and holder is not None and holder.kind == "read":
        return  # it shows already
    match kind_of(path):
        case "directory" | "file":
            places[path] = Mount(kind=kind, path=path)
        case "link":
            places[path] = Mount(kind="link", path=path)
        case _:
            return


def _protect(places: dict[Path, Mount], path: Path, worktree: Path, kind_of: Callable[[Path], Kind]) -> None:
    """Make a place unchangeable, and every directory between it and the work tree immovable.

    A directory that holds a mount can be renamed, and another put in its place; one that is a mount cannot.
    """
    if kind_of(path) not in ("directory", "file") or not is_writable(path, places.values()):
        return
    top = _holder(places, path)
    for parent in reversed(path.parents):
        if top is not None and top.path in parent.parents and parent not in places:
            places[parent] = Mount(kind="write", path=parent)
    places[path] = Mount(kind="read", path=path)


def _hide(places: dict[Path, Mount], path: Path, kind_of: Callable[[Path], Kind]) -> None:
    if path in places or _visible(places, path):
        match kind_of(path):
            case "directory":
                places[path] = Mount(kind="closed", path=path)
            case "file" | "socket":
                places[path] = Mount(kind="masked", path=path)
            case _:
                places.pop(path, None)
    for deeper in [p for p in places if path in p.parents]:
        del places[deeper]


def _visible(places: Mapping[Path, Mount], path: Path) -> bool:
    holder = _holder(places, path)
    return holder is not None and holder.kind in ("read", "write")


def _holder(places: Mapping[Path, Mount], path: Path) -> Mount | None:
    """The mount that decides what stands at a path."""
    for place in (path, *path.parents):
        if place in places:
            return places[place]
    return None


def _is_hidden(path: Path, hidden: Iterable[Path]) -> bool:
    return any(path.is_relative_to(place) for place in hidden)


def with_targets(made: Iterable[Mount], targets: Mapping[Path, str]) -> tuple[Mount, ...]:
    """The mounts with the targets of symbolic links filled in."""
    return tuple(replace(m, target=targets[m.path]) if m.kind == "link" else m for m in made)
