"""What can go wrong, one class per exit status.

A message is lower case, has no final stop and shows the offending value; the hint says what to do about it.
Nothing here or above it decides an exit status but the class: ``cli/main.py`` is the only place that reads it.
"""

from __future__ import annotations

from typing import ClassVar


class RingfenceError(Exception):
    """Base of every error a user can see; on its own it means a fault in the tool itself.

    ``message`` is shown after ``ERROR:`` and ``hint`` after ``HINT:``. Secrets never go into either.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InternalError(RingfenceError):
    """A state the tool did not think possible (70)."""


class UsageError(RingfenceError):
    """The command line asks for something that cannot be (2)."""

    exit_code = 2


class ConfigError(RingfenceError):
    """``ringfence.toml`` is missing or wrong; the message holds every mistake, one a line (2)."""

    exit_code = 2


class EngineError(RingfenceError):
    """A server could not be made, started or stopped: port, binary, directory, account (2)."""

    exit_code = 2


class GitError(RingfenceError):
    """The repository is not in a state the workflow can commit to or push from (2)."""

    exit_code = 2


class HaltError(RingfenceError):
    """Production differs from its baseline, or that it does not could not be shown (3)."""

    exit_code = 3


class BusyError(RingfenceError):
    """Another run holds the lock, or an unfinished or halted run stands in the way (4)."""

    exit_code = 4


class BackupError(RingfenceError):
    """A backup was not made, or the one asked for is not valid (5)."""

    exit_code = 5


class RestoreError(RingfenceError):
    """A reseed or restore failed; the target is as before, or marked incomplete (6)."""

    exit_code = 6


class IdentityError(RingfenceError):
    """The target is not provably what it must be, so nothing was written (7)."""

    exit_code = 7


class AgentError(RingfenceError):
    """An agent failed or ran out of time (8)."""

    exit_code = 8


class EmptyTestDatabaseError(RingfenceError):
    """The test database has no tables and nobody said that this is expected (99)."""

    exit_code = 99


class EndedBySignal(KeyboardInterrupt):
    """SIGTERM (a service manager) or SIGHUP (a closed terminal): what Ctrl-C does, with another exit status."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    @property
    def exit_code(self) -> int:
        """As a shell would have it."""
        return 128 + self.number
