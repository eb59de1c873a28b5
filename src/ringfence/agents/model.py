"""What an agent is, what it is given of the test environment, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypedDict

from ringfence.errors import UsageError

Outcome = Literal["done", "failed", "timed-out", "not-started"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True, kw_only=True)
class AgentSpec:
    """One configured agent: its name, its command as an argument list (never a shell line), its time limit.

    ``attempt`` counts from 1; a further one is for an agent that failed and may be started again.
    """

    name: str
    command: tuple[str, ...]
    timeout_s: float
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class TestAccess:
    """Where the test environment is and how an agent gets in. There is no such thing for production.

    ``parameters`` are libpq's words for how to connect (TLS). ``address`` is where ``host`` is found, for a name that
    is there only because a certificate is for it.
    """

    __test__ = False  # the name begins with "Test", but this is nothing for pytest to collect

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    web_port: int
    address: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()


class Ended(TypedDict):
    """How an agent ended, as seen from inside what it was enclosed in; ``late`` counts what it left running."""

    exit_status: int | None
    signal: int | None
    error: str | None
    late: int


class Enclosed(Protocol):
    """A command made ready to run inside: the words to start, with which variables and descriptors.

    ``processes`` says that the processes inside are a world of their own, which ends as a whole.
    """

    @property
    def command(self) -> tuple[str, ...]: ...
    @property
    def environment(self) -> Mapping[str, str]: ...
    @property
    def pass_fds(self) -> tuple[int, ...]: ...
    @property
    def processes(self) -> bool: ...

    def begin(self) -> str | None:
        """To be called once, right after the start: let it go on. Why it cannot, or None."""
        ...

    def ended(self) -> Ended | None:
        """How the command ended; None where that is not known from inside."""
        ...

    def refused(self) -> tuple[str, ...]:
        """The destinations that it asked for and was refused."""
        ...


class Enclosure(Protocol):
    """What holds an agent in. The room that has one does not know agents, and this one does not know it."""

    def enter(
        self, command: Sequence[str], *, environment: Mapping[str, str], directory: Path
    ) -> AbstractContextManager[Enclosed]:
        """A command for inside, for as long as the block lasts."""
        ...


@dataclass(frozen=True, kw_only=True)
class AgentResult:
    """How one agent ended.

    ``processes_ended`` counts what was still running when the agent itself had ended and was killed then.
    ``all_ended`` says whether it is proven that no process of the agent is left; where it is False something may still
    write, so a verification that follows proves less. ``output_bytes`` is what the agent printed, ``truncated`` whether
    the file holds less than that. ``returned`` is what it printed for the next agent. ``refused`` are the destinations
    that the sandbox refused it; they are on record as refusals of their own.
    """

    name: str
    command: tuple[str, ...]
    outcome: Outcome
    exit_code: int | None
    started_at: str
    ended_at: str
    seconds: float
    output_file: str | None
    output_bytes: int
    truncated: bool
    processes_ended: int
    all_ended: bool
    reasons: tuple[str, ...]
    returned: str | None = None
    attempt: int = 1
    refused: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the agent itself ended well; says nothing about production."""
        return self.outcome == "done"

    def to_json(self) -> dict[str, object]:
        """The result with the keys of the journal and of ``--json``."""
        return {
            "name": self.name,
            "command": list(self.command),
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "seconds": round(self.seconds, 3),
            "output_file": self.output_file,
            "output_bytes": self.output_bytes,
            "truncated": self.truncated,
            "processes_ended": self.processes_ended,
            "all_ended": self.all_ended,
            "reasons": list(self.reasons),
            "returned": self.returned,
            "attempt": self.attempt,
        }


def file_word(text: str, *, what: str) -> str:
    """An agent's name or an issue as part of a file name; `UsageError` where it could lead elsewhere.

    Letters, digits, ``.``, ``_`` and ``-``, at most 80, not beginning with a dot or a dash.
    """
    if not _NAME.fullmatch(text):
        raise UsageError(
            f"{what} cannot be part of a file name: {text[:100]!r}",
            hint="use letters, digits, '.', '_' and '-', at most 80, not beginning with '.' or '-'",
        )
    return text


def issue_word(issue: str | None) -> str:
    """The issue as it stands in file names; a run without one is ``manual``."""
    return "manual" if issue is None else file_word(issue, what="the issue")
