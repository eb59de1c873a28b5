"""Events to the state of a run, and whether a run stands in the way of the next one. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from ringfence.journal import model
from ringfence.journal.model import Event, JournalError, Process, Resolution, RunOutcome, RunState, Step, StepOutcome
from ringfence.redact import one_line

Reader = Callable[[RunState, Event], RunState]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Why no new run may start, for `BusyError`."""

    run_id: str
    reason: str
    hint: str


def replay(run_id: str, events: Iterable[Event], *, alive: bool, torn: bool = False) -> RunState:
    """The run after these events.

    ``alive`` is whether the process named by the last start or resume still runs; an open run whose process is gone is
    interrupted, and so is the step it was in. ``torn`` adds the warning that the last write was cut off by a kill.
    Raises `JournalError` where the events do not make a run.
    """
    state = RunState(run_id=run_id)
    for event in events:
        if (event.kind == model.START) != (event.number == 1):
            raise JournalError(f"event {event.number} is a {event.kind!r}; a journal begins with its only 'start'")
        try:
            state = _READERS[event.kind](state, event)
        except (KeyError, TypeError, ValueError) as error:
            raise JournalError(f"event {event.number} ({event.kind}) does not hold what it must") from error
    if state.started_at is None:
        raise JournalError("it holds no event")
    if torn:
        state = _warn(state, "the last event was cut off by a kill while it was written; it was never promised")
    if state.is_open and state.paused is None and not alive:
        state = dataclasses.replace(_close_step(state), interrupted=True)
    return state


def standing_in_the_way(runs: Iterable[RunState]) -> Obstacle | None:
    """The newest run that must be dealt with before another may start: open, or a HALT that nobody resolved."""
    for run in runs:
        if run.damage is not None and run.is_halted:
            return _obstacle(run, run.damage, finish=False)
        if run.is_halted:
            why = f": {one_line(run.reasons[0])}" if run.reasons else ""
            return _obstacle(run, f"run {run.run_id} ended in a HALT that is not resolved{why}", finish=False)
        if run.is_given_up:
            return _obstacle(run, f"run {run.run_id} was given up, and the reason is not on record", finish=False)
        if run.is_open and run.paused is not None:
            return _obstacle(run, f"run {run.run_id} is not finished, it waits for {one_line(run.paused)}", finish=True)
        if run.is_open and not run.interrupted:
            who = f" (process {run.process.pid} on {one_line(run.process.hostname)})" if run.process else ""
            return Obstacle(
                run_id=run.run_id,
                reason=f"run {run.run_id} is not finished{who}",
                hint="wait for it to end, or look at it with 'ringfence status'",
            )
        if run.is_open:
            where = f" in step {one_line(run.steps[-1].name)}" if run.steps else ""
            return _obstacle(run, f"run {run.run_id} was interrupted{where} and is not finished", finish=True)
    return None


def _obstacle(run: RunState, reason: str, *, finish: bool) -> Obstacle:
    resolve = f"'ringfence resolve {run.run_id} --reason TEXT'"
    hint = (
        f"finish it with 'ringfence post', or give it up with {resolve}"
        if finish
        else f"look at it with 'ringfence report {run.run_id}'; when the matter is settled, {resolve}"
    )
    return Obstacle(run_id=run.run_id, reason=reason, hint=hint)


def _start(state: RunState, event: Event) -> RunState:
    data = event.data
    if data["run"] != state.run_id:
        raise JournalError(f"it is the journal of run {str(data['run'])[:80]!r}")
    return dataclasses.replace(
        state,
        number=_number(data, "number"),
        project=_text(data, "project"),
        issue=_text_or_none(data, "issue"),
        text=_text(data, "text"),
        root=_text(data, "root"),
        started_at=event.at,
        process=_process(data),
    )


def _resumed(state: RunState, event: Event) -> RunState:
    return dataclasses.replace(_close_step(state), process=_process(event.data), paused=None)


def _recovered(state: RunState, event: Event) -> RunState:
    return _warn(state, f"{_number(event.data, 'bytes')} bytes of a write that was killed were removed")


def _step_started(state: RunState, event: Event) -> RunState:
    step = Step(name=_text(event.data, "name"), started_at=event.at)
    return dataclasses.replace(state, steps=(*_close_step(state).steps, step))


def _step_ended(state: RunState, event: Event) -> RunState:
    step = state.steps[-1] if state.steps else None
    if step is None or step.outcome is not None or step.name != event.data["name"]:
        raise ValueError("no such step is going on")
    ended = dataclasses.replace(
        step,
        seconds=_seconds(event.data),
        outcome=cast(StepOutcome, _one_of(event.data, "outcome", model.STEP_OUTCOMES)),
        reasons=_texts(event.data, "reasons"),
    )
    return dataclasses.replace(state, steps=(*state.steps[:-1], ended))


def _backup(state: RunState, event: Event) -> RunState:
    # A journal of the first version does not say how large the backup was.
    size = _number(event.data, "bytes") if "bytes" in event.data else None
    return dataclasses.replace(state, backup=_text(event.data, "id"), backup_bytes=size)


def _agent(state: RunState, event: Event) -> RunState:
    return dataclasses.replace(state, agents=(*state.agents, event.data))


def _refused(state: RunState, event: Event) -> RunState:
    said = event.data["refusals"]
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise TypeError("refusals is not a list of objects")
    return dataclasses.replace(state, refused=(*state.refused, *said))


def _verdict(state: RunState, event: Event) -> RunState:
    return dataclasses.replace(state, verdict=event.data, changed_rows=None)


def _changed_rows(state: RunState, event: Event) -> RunState:
    return dataclasses.replace(state, changed_rows=event.data)


def _published(state: RunState, event: Event) -> RunState:
    if not isinstance(event.data["pushed"], bool):
        raise ValueError("pushed is not a truth value")
    return dataclasses.replace(state, commit=_text_or_none(event.data, "commit"), pushed=event.data["pushed"])


def _paused(state: RunState, event: Event) -> RunState:
    return dataclasses.replace(_close_step(state), paused=_text(event.data, "for"))


def _ended(state: RunState, event: Event) -> RunState:
    if state.outcome is not None:
        raise ValueError("it has ended already; a HALT stays one")
    return dataclasses.replace(
        _close_step(state),
        paused=None,
        outcome=cast(RunOutcome, _one_of(event.data, "outcome", model.RUN_OUTCOMES)),
        exit_code=None if event.data["exit_code"] is None else _number(event.data, "exit_code"),
        reasons=_texts(event.data, "reasons"),
        ended_at=event.at,
    )


def _resolved(state: RunState, event: Event) -> RunState:
    resolution = Resolution(by=_text(event.data, "by"), at=event.at, reason=_text(event.data, "reason"))
    return dataclasses.replace(state, resolved=resolution)


_READERS: dict[str, Reader] = {
    model.START: _start,
    model.RESUMED: _resumed,
    model.RECOVERED: _recovered,
    model.STEP_STARTED: _step_started,
    model.STEP_ENDED: _step_ended,
    model.BACKUP: _backup,
    model.AGENT: _agent,
    model.REFUSED: _refused,
    model.VERDICT: _verdict,
    model.CHANGED_ROWS: _changed_rows,
    model.PUBLISHED: _published,
    model.PAUSED: _paused,
    model.ENDED: _ended,
    model.RESOLVED: _resolved,
}


def _close_step(state: RunState) -> RunState:
    """A step that is still open when something else begins was interrupted."""
    if not state.steps or state.steps[-1].outcome is not None:
        return state
    step = dataclasses.replace(state.steps[-1], outcome="interrupted")
    return dataclasses.replace(state, steps=(*state.steps[:-1], step))


def _warn(state: RunState, warning: str) -> RunState:
    return dataclasses.replace(state, warnings=(*state.warnings, warning))


def _process(data: Mapping[str, object]) -> Process:
    said = data["process"]
    if not isinstance(said, dict):
        raise TypeError("process is not an object")
    started = said["started"]
    return Process(
        pid=_number(said, "pid"),
        hostname=_text(said, "hostname"),
        boot_id=_text(said, "boot_id"),
        started=None if started is None else _number(said, "started"),
    )


def _text(data: Mapping[str, object], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is not text")
    return value


def _text_or_none(data: Mapping[str, object], key: str) -> str | None:
    return None if data[key] is None else _text(data, key)


def _texts(data: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = data[key]
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError(f"{key} is not a list of texts")
    return tuple(value)


def _number(data: Mapping[str, object], key: str) -> int:
    value = data[key]
    if type(value) is not int:
        raise TypeError(f"{key} is not a whole number")
    return value


def _seconds(data: Mapping[str, object]) -> float:
    value = data["seconds"]
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("seconds is not a number")
    return float(value)


def _one_of(data: Mapping[str, object], key: str, allowed: tuple[str, ...]) -> str:
    value = _text(data, key)
    if value not in allowed:
        raise ValueError(f"{key} is {value!r}")
    return value
