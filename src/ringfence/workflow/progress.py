"""How long work tells what it does, without knowing where it is shown."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Implemented by the console for a terminal, and for plain lines elsewhere."""

    def say(self, text: str) -> None:
        """One line about something that was done or begins."""

    def advance(self, label: str, done: float, total: float) -> None:
        """How far a piece of work is; ``total`` 0 means that it is not known."""

    def agent(self, text: str) -> None:
        """Output of an agent, already made harmless."""


class Quiet:
    """No news: for what a command does to set its stage."""

    def say(self, text: str) -> None:
        """Nothing."""

    def advance(self, label: str, done: float, total: float) -> None:
        """Nothing."""

    def agent(self, text: str) -> None:
        """Nothing."""
