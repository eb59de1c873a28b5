"""Which backups go when a new one is in place (pure). Every backup that stays has a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringfence.backup.model import Entry, Kept


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """The decision: ids to remove, oldest first, and what stays."""

    remove: tuple[str, ...]
    kept: tuple[Kept, ...]


def newest_proven(entries: Sequence[Entry]) -> Entry | None:
    """The newest backup that is sound as far as is known and whose restore was found equal; no evidence."""
    proven = [e for e in entries if e.is_proven and not e.is_evidence]
    return max(proven, key=lambda e: e.sequence, default=None)


def rotate(entries: Sequence[Entry], *, keep: int, needed: Mapping[str, str]) -> Rotation:
    """Keep the newest ``keep`` sound backups by sequence number; never by a clock, which can go back.

    Backups with a problem neither count nor go: five damaged ones must not push out a good one, and what is wrong with
    them may still matter. Five that nobody ever restored do not push out the newest proven one. ``needed`` holds ids
    that a run or a HALT still needs as its baseline, with the reason. Of a damaged production only the last is kept.
    """
    remove: list[str] = []
    kept: list[Kept] = []
    anchor = newest_proven(entries)
    place = evidence = 0
    for entry in sorted(entries, key=lambda e: -e.sequence):
        if entry.problem is not None:
            kept.append(Kept(id=entry.id, reason=f"not counted: {entry.problem}"))
            continue
        if entry.is_evidence:
            evidence += 1
            within, usual = evidence == 1, "production before the last restore; never chosen by itself"
        else:
            place += 1
            within, usual = place <= keep, "newest" if place == 1 else f"number {place} of at most {keep}"
        reasons = [usual] if within else []
        if entry is anchor:
            reasons.append("the newest proven one")
        if entry.marks.pinned_at is not None:
            reasons.append(f"pinned: {entry.marks.pin_reason}")
        if entry.marks.unreadable:
            reasons.append("its marks cannot be believed; it may be pinned")
        if entry.id in needed:
            reasons.append(needed[entry.id])
        if reasons:
            kept.append(Kept(id=entry.id, reason="; ".join(reasons)))
        else:
            remove.append(entry.id)
    return Rotation(remove=tuple(reversed(remove)), kept=tuple(kept))
