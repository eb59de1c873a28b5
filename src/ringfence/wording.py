"""A number and what it counts, as a person says it."""

from __future__ import annotations


def counted(number: int, word: str, plural: str | None = None) -> str:
    """``1 table``, ``2,000 tables``; ``plural`` where it is not the word with an s (``entries``, ``ROWS``)."""
    return f"{number:,} {word if number == 1 else plural or f'{word}s'}"
