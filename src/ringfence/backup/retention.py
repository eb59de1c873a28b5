"""Which backups go when a new one is in place (pure). Every backup that stays has a reason."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ringfence.backup.model import Entry, Kept


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """The decision: ids to remove, oldest first, and what stays."""

    remove: tuple[str, ...]
    kept: tuple[Kept, ...]


def rotate(entries: Sequence[Entry], *, keep: int, needed: Collection[str] = ()) -> Rotation:
    """Keep the newest ``keep`` sound backups by sequence number; never by a clock, which can go back.

    Backups with a problem neither count nor go: five damaged ones must not push out a good one, and what is wrong with
    them may still matter. ``needed`` holds the ids a run or a HALT still needs as its baseline.
    """
    remove: list[str] = []
    kept: list[Kept] = []
    place = 0
    for entry in sorted(entries, key=lambda e: -e.sequence):
        if entry.problem is not None:
            kept.append(Kept(id=entry.id, reason=f"not counted: {entry.problem}"))
            continue
        place += 1
        if place <= keep:
            kept.append(Kept(id=entry.id, reason="newest" if place == 1 else f"number {place} of at most {keep}"))
        elif entry.id in needed:
            kept.append(Kept(id=entry.id, reason="the baseline of a run that is not closed"))
        else:
            remove.append(entry.id)
    return Rotation(remove=tuple(reversed(remove)), kept=tuple(kept))
