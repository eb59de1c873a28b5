"""Mechanical fixes: replaced bytes, checked so that nothing else changes (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from ringfence.errors import InternalError
from ringfence.lint.model import Edit


def apply(source: bytes, edits: Iterable[Edit]) -> bytes:
    """The source with all edits made. Raises InternalError where two overlap or one lies outside."""
    result, at = bytearray(), 0
    for edit in sorted(set(edits), key=lambda e: e.start):
        if edit.start < at or edit.end > len(source):
            raise InternalError(f"the edits of bytes {edit.start} to {edit.end} overlap with others")
        result += source[at : edit.start] + edit.replacement
        at = edit.end
    return bytes(result + source[at:])
