"""What is learned about a backup after it was made: that a restore of it was equal, that a person wants it kept."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, replace

from ringfence import clock
from ringfence.backup import seal


@dataclass(frozen=True, kw_only=True)
class Marks:
    """``proven_by`` names what restored it; ``unreadable`` says that there are marks which cannot be believed: such a
    backup is neither proven nor free to go."""

    proven_at: dt.datetime | None = None
    proven_by: str | None = None
    pinned_at: dt.datetime | None = None
    pin_reason: str | None = None
    unreadable: bool = False

    def proven(self, now: dt.datetime, by: str) -> Marks:
        """The same backup after a restore of it was found equal."""
        return replace(self, proven_at=now, proven_by=by, unreadable=False)

    def pinned(self, now: dt.datetime, reason: str) -> Marks:
        """Kept until it is unpinned."""
        return replace(self, pinned_at=now, pin_reason=reason, unreadable=False)

    def unpinned(self) -> Marks:
        """Left to the rules again."""
        return replace(self, pinned_at=None, pin_reason=None, unreadable=False)


NONE = Marks()


def encode(name: str, marks: Marks, key: bytes) -> bytes:
    """Marks as they stand on disk, sealed, with the backup's id in them so that they cannot be moved to another."""
    document = {
        "id": name,
        "proven_at": clock.iso(marks.proven_at) if marks.proven_at else None,
        "proven_by": marks.proven_by,
        "pinned_at": clock.iso(marks.pinned_at) if marks.pinned_at else None,
        "pin_reason": marks.pin_reason,
    }
    return seal.sealed((json.dumps(document, indent=1) + "\n").encode(), key)


def decode(data: bytes, name: str, key: bytes) -> Marks | None:
    """Marks whose seal is this key's and that belong to this backup; None for anything else."""
    if seal.state(data, key) != "valid":
        return None
    document = json.loads(data)
    if document.get("id") != name:
        return None
    proven_at, pinned_at = document["proven_at"], document["pinned_at"]
    return Marks(
        proven_at=clock.parse_iso(proven_at) if proven_at else None,
        proven_by=document["proven_by"],
        pinned_at=clock.parse_iso(pinned_at) if pinned_at else None,
        pin_reason=document["pin_reason"],
    )
