"""``init``: what a project's test set-up lacks, shown as a diff and written only when a person asks for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ringfence import files
from ringfence.lint.offers import LOOKED_AT, Offer, offers

_LIMIT_BYTES = 1 << 20


def look(root: Path) -> tuple[Offer, ...]:
    """What is missing in the configuration of Playwright, Cypress, pytest and Jest at a project's root."""
    return offers({name: text for name in LOOKED_AT if (text := _read(root / name)) is not None})


def apply(root: Path, found: tuple[Offer, ...]) -> tuple[str, ...]:
    """Write the changes, and return what was written. A file that changed since the look, or came, is left alone."""
    written = []
    for offer in found:
        path = root / offer.path
        if offer.after is None or _read(path) != offer.before or (offer.before is None and os.path.lexists(path)):
            continue
        mode = stat.S_IMODE(path.stat().st_mode) if offer.before is not None else 0o644
        files.write_atomic(path, offer.after.encode(), mode=mode)
        written.append(offer.path)
    return tuple(written)


def _read(path: Path) -> str | None:
    """The text of a plain file of bearable size; None for anything else, which is then as if it were not there."""
    try:
        info = os.lstat(path)
        if not stat.S_ISREG(info.st_mode) or info.st_size > _LIMIT_BYTES:
            return None
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
