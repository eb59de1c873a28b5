"""A run as the journal knows it: events in, `RunState` out."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ringfence import clock
from ringfence.errors import HaltError

StepOutcome = Literal["done", "failed", "halt", "skipped", "interrupted"]
RunOutcome = Literal["passed", "halt", "failed", "abandoned"]
STEP_OUTCOMES: tuple[StepOutcome, ...] = ("done", "failed", "halt", "skipped", "interrupted")
RUN_OUTCOMES: tuple[RunOutcome, ...] = ("passed", "halt", "failed", "abandoned")

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")

# The kinds of events. A journal that holds another kind was written by a later version, or by somebody else.
START = "start"
RESUMED = "resumed"
RECOVERED = "recovered"
STEP_STARTED = "step-started"
STEP_ENDED = "step-ended"
BACKUP = "backup"
AGENT = "agent"
VERDICT = "verdict"
CHANGED_ROWS = "changed-rows"
REFUSED = "refused"
PUBLISHED = "published"
PAUSED = "paused"
ENDED = "ended"
RESOLVED = "resolved"
KINDS = frozenset(
    {START, RESUMED, RECOVERED, STEP_STARTED, STEP_ENDED, BACKUP, AGENT, REFUSED, VERDICT, CHANGED_ROWS, PUBLISHED}
    | {PAUSED, ENDED, RESOLVED}
)


class JournalError(HaltError):
    """A journal is damaged, was changed by somebody else, or cannot be written: the run's protection is broken (3)."""


def new_run_id(now: dt.datetime, token: str) -> str:
    """``20261122T101530Z-3f2a91``: sorts by time, safe in file names; ``token`` is six hex digits."""
    return f"{clock.compact(now)}-{token}"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of a journal. ``digest`` covers the whole event and, through ``previous``, all events before it."""

    number: int
    at: dt.datetime
    kind: str
    data: Mapping[str, object]
    previous: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Process:
    """Which process writes a run. ``started`` (clock ticks since boot) tells it from a later one of that number."""

    pid: int
    hostname: str
    boot_id: str
    started: int | None

    def to_json(self) -> dict[str, object]:
        """The keys of the journal and of ``--json``."""
        return {"pid": self.pid, "hostname": self.hostname, "boot_id": self.boot_id, "started": self.started}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a run; ``seconds`` and ``outcome`` are None while it goes on."""

    name: str
    started_at: dt.datetime
    seconds: float | None = None
    outcome: StepOutcome | None = None
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The keys of ``run``, ``runs``, ``status`` and ``report``."""
        return {
            "name": self.name,
            "started_at": clock.iso(self.started_at),
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "outcome": self.outcome,
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """That a person looked at a halted or unfinished run and lets work go on, and why."""

    by: str
    at: dt.datetime
    reason: str

    def to_json(self) -> dict[str, object]:
        """The keys of ``--json``."""
        return {"by": self.by, "at": clock.iso(self.at), "reason": self.reason}


@dataclass(frozen=True, kw_only=True)
class RunState:
    """A run, as far as its journal goes.

    ``outcome`` is None while the run is open. ``interrupted`` says that it is open and the process that wrote it is
    gone. ``paused`` names what an open run waits for without a process (``pre`` was done, ``post`` is to come).
    ``damage`` says why the journal cannot be believed; such a run is a HALT, whatever else is in it. ``verdict``
    and ``agents`` are kept as they were given (the keys of ``verify --json`` and of an agent's result).
    ``changed_rows`` are the rows that the verification found different, a bounded number with secrets masked, as
    ``workflow.changed_rows`` writes them. ``refused`` is what agents tried and were refused: ``by`` the guard or the
    sandbox, ``agent``, ``what`` and the ``reason``.
    """

    run_id: str
    number: int = 0
    project: str = ""
    issue: str | None = None
    text: str = ""
    root: str = ""
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    process: Process | None = None
    interrupted: bool = False
    paused: str | None = None
    steps: tuple[Step, ...] = ()
    backup: str | None = None
    backup_bytes: int | None = None
    agents: tuple[Mapping[str, object], ...] = ()
    refused: tuple[Mapping[str, object], ...] = ()
    verdict: Mapping[str, object] | None = None
    changed_rows: Mapping[str, object] | None = None
    outcome: RunOutcome | None = None
    exit_code: int | None = None
    reasons: tuple[str, ...] = ()
    commit: str | None = None
    pushed: bool = False
    resolved: Resolution | None = None
    warnings: tuple[str, ...] = ()
    damage: str | None = field(default=None)

    @property
    def is_open(self) -> bool:
        """Whether the run has not come to an end, alive or not."""
        return self.outcome is None and self.damage is None

    @property
    def is_halted(self) -> bool:
        """Whether the run is a HALT that nobody has resolved."""
        return self.resolved is None and (self.outcome == "halt" or self.damage is not None)

    @property
    def is_given_up(self) -> bool:
        """Whether a person gave the run up and the reason is not on record: `resolve` was killed between the two."""
        return self.resolved is None and self.outcome == "abandoned"

    def to_json(self) -> dict[str, object]:
        """The keys of ``run``, ``runs``, ``status`` and ``report``; they stay as they are within ``"schema": 1``."""
        seconds = (self.ended_at - self.started_at).total_seconds() if self.started_at and self.ended_at else None
        return {
            "id": self.run_id,
            "number": self.number,
            "project": self.project,
            "issue": self.issue,
            "text": self.text,
            "root": self.root,
            "started_at": None if self.started_at is None else clock.iso(self.started_at),
            "ended_at": None if self.ended_at is None else clock.iso(self.ended_at),
            "seconds": None if seconds is None else round(seconds, 3),
            "process": None if self.process is None else self.process.to_json(),
            "interrupted": self.interrupted,
            "paused": self.paused,
            "steps": [step.to_json() for step in self.steps],
            "backup": self.backup,
            "backup_bytes": self.backup_bytes,
            "agents": [dict(agent) for agent in self.agents],
            "refused": [dict(one) for one in self.refused],
            "verdict": None if self.verdict is None else dict(self.verdict),
            "changed_rows": None if self.changed_rows is None else dict(self.changed_rows),
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "reasons": list(self.reasons),
            "commit": self.commit,
            "pushed": self.pushed,
            "resolved": None if self.resolved is None else self.resolved.to_json(),
            "warnings": list(self.warnings),
            "damage": self.damage,
        }
