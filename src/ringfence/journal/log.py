"""The journal on disk: ``<state>/runs/<run id>/journal.jsonl``, appended to, flushed to disk event by event.

An event is promised when the call that writes it has returned: it is on disk then, whatever happens to the process or
the machine. Beside it ``journal.head`` names the last promised event, so that a journal that was cut is noticed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ringfence import clock, files
from ringfence.crashpoint import crashpoint
from ringfence.errors import BusyError, HaltError, InternalError, RingfenceError, UsageError
from ringfence.journal import chain, model, reader
from ringfence.journal.model import Event, JournalError, RunOutcome, RunState, StepOutcome
from ringfence.journal.reader import HEAD_NAME, JOURNAL_NAME
from ringfence.journal.replay import replay
from ringfence.redact import redact

_PARTIAL = ".partial"
_REASON_CHARS = 2000


class OpenStep:
    """A step while it goes on: what it notes becomes the step's reasons."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcome: StepOutcome = "done"
        self.reasons: list[str] = []

    def note(self, reason: str) -> None:
        """Something the report should say about this step; it does not change how the step ends."""
        self.reasons.append(_shown(reason))

    def finish(self, outcome: StepOutcome, *reasons: str) -> None:
        """End the step otherwise than ``done`` without raising an error."""
        self.outcome = outcome
        for reason in reasons:
            self.note(reason)

    def _failed_with(self, error: BaseException) -> None:
        if isinstance(error, HaltError):
            self.finish("halt", error.message)
        elif isinstance(error, RingfenceError):
            self.finish("failed", error.message)
        elif isinstance(error, Exception):
            self.finish("failed", f"{type(error).__name__}: {error}")
        else:
            self.finish("interrupted", f"interrupted ({type(error).__name__})")


class Journal:
    """One run's journal, open for appending by this process alone (the lock goes with the process)."""

    def __init__(self, directory: Path, descriptor: int, events: Iterable[Event]) -> None:
        self.directory = directory
        self.run_id = directory.name
        self._descriptor = descriptor
        self._events = list(events)
        self._pending = b""
        self._step: OpenStep | None = None
        self._watcher: Callable[[RunState], None] | None = None

    def watch(self, watcher: Callable[[RunState], None] | None) -> None:
        """Call this with the run as it is after every event that is on disk; None ends it. It must not raise."""
        self._watcher = watcher

    @classmethod
    def create(cls, state: Path, *, project: str, issue: str | None, text: str, root: Path) -> Self:
        """Begin a run. Its directory appears with the first event in it, or not at all. Raises `JournalError`.

        The caller holds the lock of the project's runs: what a killed predecessor left half made is removed here.
        """
        runs = files.ensure_private_directory(state / reader.RUNS_NAME)
        with _as_journal_error(runs):
            _remove_half_made(runs)
        now = clock.utc_now()
        run_id = model.new_run_id(now, secrets.token_hex(3))
        start = {
            "run": run_id,
            "number": reader.next_number(state),
            "project": project,
            "issue": issue,
            "text": text,
            "root": str(root),
            "process": reader.this_process().to_json(),
        }
        staged = runs / f".{run_id}{_PARTIAL}"
        with _as_journal_error(runs / run_id):
            os.mkdir(staged, 0o700)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(staged / JOURNAL_NAME, flags, 0o600)
        journal = cls(staged, descriptor, ())
        try:
            with _as_journal_error(runs / run_id):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                journal._append(model.START, start)
                os.rename(staged, runs / run_id)
                files.fsync_directory(runs)
            crashpoint("journal.created")
        except BaseException:
            journal.close()
            shutil.rmtree(staged, ignore_errors=True)
            raise
        journal.directory, journal.run_id = runs / run_id, run_id
        return journal

    @classmethod
    def reopen(cls, state: Path, run_id: str) -> Self:
        """Go on with a run that was interrupted or handed over; what a kill left of its last write is removed first.

        Raises `UsageError` where there is no such run or it has ended, `BusyError` where another process writes it,
        `JournalError` where it is damaged.
        """
        journal = cls._open(state, run_id)
        try:
            if not journal.state.is_open:
                raise UsageError(
                    f"run {run_id} has ended: {journal.state.outcome}",
                    hint="'ringfence runs' shows which runs are not finished",
                )
            journal._append(model.RESUMED, {"process": reader.this_process().to_json()})
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def _open(cls, state: Path, run_id: str) -> Self:
        directory = reader.run_directory(state, run_id)
        with _as_journal_error(directory):
            descriptor = os.open(directory / JOURNAL_NAME, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise reader.damaged(directory, "its file is not a plain file")
            _lock(descriptor, run_id)
            found = reader.read_chain(directory)
            journal = cls(directory, descriptor, found.events)
            if found.torn:
                with _as_journal_error(directory):
                    os.ftruncate(descriptor, found.whole_bytes)
                journal._append(model.RECOVERED, {"bytes": len(found.torn)})
            return journal
        except BaseException:
            os.close(descriptor)
            raise

    def close(self) -> None:
        """Let go of the file; the run stays as it is. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def state(self) -> RunState:
        """The run after the events so far."""
        return replay(self.run_id, self._events, alive=True)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[OpenStep]:
        """One step of the run: journaled before the block begins and after it has ended, however it ends.

        An error becomes the step's reason and goes on: ``halt`` for a `HaltError`, ``failed`` for any other,
        ``interrupted`` for Ctrl-C.
        """
        if self._step is not None:
            raise InternalError(f"step {name!r} begins inside of step {self._step.name!r}")
        self._append(model.STEP_STARTED, {"name": name})
        step = self._step = OpenStep(name)
        started_s = clock.monotonic_s()
        try:
            yield step
        except BaseException as error:
            step._failed_with(error)
            try:
                self._end_step(step, clock.monotonic_s() - started_s)
            except JournalError as second:
                error.add_note(f"and the journal could not be written: {second}")  # what went wrong first matters more
            raise
        self._end_step(step, clock.monotonic_s() - started_s)

    def _end_step(self, step: OpenStep, seconds: float) -> None:
        self._step = None
        data = {"name": step.name, "seconds": seconds, "outcome": step.outcome, "reasons": step.reasons}
        self._append(model.STEP_ENDED, data)

    def backup(self, backup_id: str, *, size_bytes: int | None = None) -> None:
        """The backup and baseline that this run is measured against; its size outlives the backup itself."""
        size = {} if size_bytes is None else {"bytes": size_bytes}
        self._append(model.BACKUP, {"id": backup_id, **size})

    def agent(self, result: Mapping[str, object]) -> None:
        """How an agent ended: ``AgentResult.to_json()``."""
        self._append(model.AGENT, result)

    def verdict(self, verdict: Mapping[str, object]) -> None:
        """What the verification found, with the keys of ``verify --json``; a later one replaces an earlier one."""
        self._append(model.VERDICT, verdict)

    def refused(self, refusals: Sequence[Mapping[str, object]]) -> None:
        """What agents tried and were refused, each with ``by``, ``agent``, ``what`` and ``reason``."""
        self._append(model.REFUSED, {"refusals": [dict(one) for one in refusals]})

    def changed_rows(self, found: Mapping[str, object]) -> None:
        """The rows that the verification found different; belongs to the verdict before it."""
        self._append(model.CHANGED_ROWS, found)

    def published(self, *, commit: str | None, pushed: bool) -> None:
        """What was committed, and whether it was pushed; may be said again after the push."""
        self._append(model.PUBLISHED, {"commit": commit, "pushed": pushed})

    def pause(self, waits_for: str) -> None:
        """The process ends here on purpose, the run does not: ``pre`` is done and ``post`` is to come."""
        self._append(model.PAUSED, {"for": waits_for})

    def end(self, outcome: RunOutcome, *, exit_code: int | None, reasons: Iterable[str] = ()) -> None:
        """The end of the run; only a resolution can follow. ``exit_code`` is None for one that was abandoned."""
        if self._step is not None:
            raise InternalError(f"the run ends inside of step {self._step.name!r}")
        data = {"outcome": outcome, "exit_code": exit_code, "reasons": [_shown(r) for r in reasons]}
        self._append(model.ENDED, data)

    def _append(self, kind: str, data: Mapping[str, object]) -> None:
        """Write one event: a single write, to disk, then the head. Raises `JournalError` where that is not possible."""
        if self._descriptor < 0:
            raise InternalError(f"the journal of run {self.run_id} is closed")
        if kind != model.RESOLVED and any(event.kind == model.ENDED for event in self._events):
            raise InternalError(f"run {self.run_id} has ended; {kind} cannot follow")
        event = chain.seal(
            number=len(self._events) + 1,
            at=clock.utc_now(),
            kind=kind,
            data=_plain(kind, data),
            previous=self._events[-1].digest if self._events else chain.GENESIS,
        )
        moment = _moment(event)
        crashpoint(f"{moment}.before")
        with _as_journal_error(self.directory):
            self._drop_unfinished()
            self._pending = chain.line(event)
            if os.write(self._descriptor, self._pending) != len(self._pending):
                self._drop_unfinished()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._descriptor)
            self._events.append(event)
            crashpoint(f"{moment}.written")
            files.write_atomic(self.directory / HEAD_NAME, chain.head_bytes(event))
        if self._watcher is not None:
            self._watcher(self.state)
        crashpoint(f"{moment}.after")

    def _drop_unfinished(self) -> None:
        """Remove what is left of an event whose writing was broken off here (Ctrl-C, a full disk): it was not promised.

        Raises `JournalError` where the file holds anything else than what this process wrote.
        """
        size, promised = os.fstat(self._descriptor).st_size, sum(len(chain.line(event)) for event in self._events)
        if size == promised:
            return
        rest = os.pread(self._descriptor, max(0, size - promised), promised)
        if size < promised or not self._pending.startswith(rest):
            raise reader.damaged(self.directory, "it was changed by somebody else while the run went on")
        os.ftruncate(self._descriptor, promised)


def resolve(state: Path, run_id: str, *, by: str, reason: str) -> RunState:
    """A person lets work go on after a HALT, an unfinished run or a damaged journal; the run as it is then.

    An open run is abandoned by it. Raises `UsageError` where there is nothing to resolve, `BusyError` where the run is
    still going on.
    """
    if not reason.strip():
        raise UsageError("a reason is needed", hint="--reason 'what was found and done about it'")
    run = reader.read_any(state, run_id)
    if run.damage is not None:
        directory = reader.run_directory(state, run_id)
        with _as_journal_error(directory):
            reader.resolve_damage(directory, by=by, reason=_shown(reason), damage=run.damage)
        return reader.read_any(state, run_id)
    with Journal._open(state, run_id) as journal:
        run = journal.state
        if run.is_open:
            journal.end("abandoned", exit_code=None, reasons=["given up by a person before it had ended"])
        elif not run.is_halted and not run.is_given_up:
            raise UsageError(f"run {run_id} needs no resolution: {run.outcome}", hint="'ringfence runs' lists the runs")
        journal._append(model.RESOLVED, {"by": by, "reason": _shown(reason)})
        return journal.state


def _remove_half_made(runs: Path) -> None:
    """Remove the directories of runs that were killed before their first event was promised; nothing is known of them.

    One whose journal another process holds is left alone, in case the caller does not hold the lock it should.
    """
    for name in os.listdir(runs):
        run_id = name.removeprefix(".").removesuffix(_PARTIAL)
        if name != f".{run_id}{_PARTIAL}" or not model.RUN_ID.fullmatch(run_id):
            continue
        journal = runs / name / JOURNAL_NAME
        if not files.is_locked(journal):
            shutil.rmtree(runs / name)


def _lock(descriptor: int, run_id: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise BusyError(
            f"another process is writing the journal of run {run_id}",
            hint="wait for the run to end, or look at it with 'ringfence status'",
        ) from None


@contextlib.contextmanager
def _as_journal_error(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"the journal in {directory} cannot be written: {error.strerror or error}",
            hint="make room or give the directory back to its owner; without a journal nothing is run",
        ) from error


def _moment(event: Event) -> str:
    """What a test calls the moments around an event: ``journal.step-ended reseed``."""
    name = event.data.get("name")
    return f"journal.{event.kind} {name}" if isinstance(name, str) else f"journal.{event.kind}"


def _plain(kind: str, data: Mapping[str, object]) -> dict[str, object]:
    """A copy that is JSON and nothing else, so that what is in memory is what is in the file."""
    try:
        copy = json.loads(json.dumps(dict(data), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InternalError(f"a {kind!r} event does not hold JSON: {error}") from error
    assert isinstance(copy, dict)
    return copy


def _shown(reason: str) -> str:
    """A reason as it may be kept: passwords masked, of bounded length."""
    return redact(reason[: 2 * _REASON_CHARS])[:_REASON_CHARS]
