"""A refusal: why, and what to do instead."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - it is a verdict, not an error
    """A command that must not run. ``hint`` is the line to write instead, or what else to do."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint

    def text(self) -> str:
        """Both, as an agent reads it."""
        return f"{self.reason}. {self.hint}" if self.hint else self.reason
