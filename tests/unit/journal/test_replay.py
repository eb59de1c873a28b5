"""Replay: what a run is after its events, and which run stands in the way."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from ringfence.journal import chain, model
from ringfence.journal.model import Event, JournalError, RunState
from ringfence.journal.replay import replay, standing_in_the_way

RUN = "20261122T101530Z-3f2a91"
NOW = dt.datetime(2026, 11, 22, 10, 15, 30, tzinfo=dt.UTC)
PROCESS = {"pid": 77, "hostname": "h", "boot_id": "b", "started": 5}
START = (
    model.START,
    {"run": RUN, "number": 4, "project": "p", "issue": "12", "text": "do", "root": "/r", "process": PROCESS},
)
Said = tuple[str, dict[str, object]]


def made(*said: Said) -> list[Event]:
    events: list[Event] = []
    for number, (kind, data) in enumerate(said, start=1):
        previous = events[-1].digest if events else chain.GENESIS
        at = NOW + dt.timedelta(seconds=number)
        events.append(chain.seal(number=number, at=at, kind=kind, data=data, previous=previous))
    return events


def state(*said: Said, alive: bool = True, torn: bool = False) -> RunState:
    return replay(RUN, made(START, *said), alive=alive, torn=torn)


def step(name: str) -> Said:
    return (model.STEP_STARTED, {"name": name})


def step_end(name: str, outcome: str = "done", *reasons: str) -> Said:
    return (model.STEP_ENDED, {"name": name, "seconds": 1.5, "outcome": outcome, "reasons": list(reasons)})


def end(outcome: str, exit_code: int | None = 0, *reasons: str) -> Said:
    return (model.ENDED, {"outcome": outcome, "exit_code": exit_code, "reasons": list(reasons)})


RESOLVED: Said = (model.RESOLVED, {"by": "anna", "reason": "restored"})


def test_a_whole_run() -> None:
    run = state(
        step("backup"),
        (model.BACKUP, {"id": "inventory_backup_12"}),
        step_end("backup", "done", "35 MB"),
        step("agents"),
        (model.AGENT, {"name": "scout", "outcome": "done"}),
        (model.AGENT, {"name": "build", "outcome": "failed"}),
        step_end("agents", "failed"),
        step("verify"),
        (model.VERDICT, {"verdict": "unchanged", "proof": "wal"}),
        step_end("verify"),
        (model.PUBLISHED, {"commit": "abc", "pushed": False}),
        (model.PUBLISHED, {"commit": "abc", "pushed": True}),
        end("failed", 8, "build failed"),
        alive=False,
    )
    assert [(s.name, s.outcome, s.seconds, s.reasons) for s in run.steps] == [
        ("backup", "done", 1.5, ("35 MB",)),
        ("agents", "failed", 1.5, ()),
        ("verify", "done", 1.5, ()),
    ]
    assert (run.backup, run.commit, run.pushed, run.outcome, run.exit_code) == (
        "inventory_backup_12",
        "abc",
        True,
        "failed",
        8,
    )
    assert [a["name"] for a in run.agents] == ["scout", "build"]
    assert run.verdict is not None and run.verdict["proof"] == "wal"
    assert not run.is_open and not run.is_halted and not run.interrupted
    assert standing_in_the_way([run]) is None


def test_the_json_keys_are_stable_and_it_is_json() -> None:
    run = state(step("backup"), alive=False)
    said = json.loads(json.dumps(run.to_json()))
    assert list(said) == [
        *("id", "number", "project", "issue", "text", "root", "started_at", "ended_at", "seconds", "process"),
        *("interrupted", "paused", "steps", "backup", "backup_bytes", "agents", "refused", "verdict"),
        *("changed_rows", "outcome", "exit_code", "reasons"),
        *("commit", "pushed", "resolved", "warnings", "damage"),
    ]
    assert said["steps"] == [
        {
            "name": "backup",
            "started_at": "2026-11-22T10:15:32.000000Z",
            "seconds": None,
            "outcome": "interrupted",
            "reasons": [],
        }
    ]
    assert said["process"] == PROCESS


def test_an_open_run_of_a_living_process_is_not_interrupted_but_in_the_way() -> None:
    run = state(step("backup"))
    assert run.steps[0].outcome is None and not run.interrupted
    obstacle = standing_in_the_way([run])
    assert obstacle is not None and "process 77" in obstacle.reason


def test_an_open_run_of_a_dead_process_is_interrupted_and_in_the_way() -> None:
    run = state(step("backup"), step_end("backup"), step("agents"), alive=False)
    assert run.interrupted
    assert [s.outcome for s in run.steps] == ["done", "interrupted"]
    obstacle = standing_in_the_way([run])
    assert obstacle is not None
    assert "interrupted in step agents" in obstacle.reason
    assert "ringfence post" in obstacle.hint and f"resolve {RUN}" in obstacle.hint


def test_a_resumed_run_keeps_its_interrupted_step() -> None:
    run = state(
        step("agents"), (model.RESUMED, {"process": {**PROCESS, "pid": 78}}), step("verify"), step_end("verify")
    )
    assert [s.outcome for s in run.steps] == ["interrupted", "done"]
    assert run.process is not None and run.process.pid == 78
    assert not run.interrupted


def test_a_paused_run_waits_and_is_not_interrupted() -> None:
    run = state((model.PAUSED, {"for": "post"}), alive=False)
    assert run.paused == "post" and not run.interrupted and run.is_open
    obstacle = standing_in_the_way([run])
    assert obstacle is not None and "waits for post" in obstacle.reason
    assert state((model.PAUSED, {"for": "post"}), (model.RESUMED, {"process": PROCESS})).paused is None


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_a_run_that_ended_otherwise_is_not_in_the_way(outcome: str) -> None:
    assert standing_in_the_way([state(end(outcome))]) is None


def test_a_run_that_was_given_up_needs_its_reason() -> None:
    obstacle = standing_in_the_way([state(end("abandoned"))])
    assert obstacle is not None and "given up" in obstacle.reason and "resolve" in obstacle.hint
    assert standing_in_the_way([state(end("abandoned"), RESOLVED)]) is None


def test_a_halt_latches_behind_later_runs_until_it_is_resolved() -> None:
    passed, halted = state(end("passed")), state(end("halt", 3, 'table "SKU" lost 3 rows'))
    obstacle = standing_in_the_way([passed, passed, halted])
    assert obstacle is not None
    assert "lost 3 rows" in obstacle.reason and "resolve" in obstacle.hint
    resolved = state(end("halt", 3), RESOLVED)
    assert resolved.resolved is not None and resolved.resolved.by == "anna"
    assert standing_in_the_way([passed, resolved]) is None


def test_a_halt_cannot_be_ended_again() -> None:
    with pytest.raises(JournalError, match="ended"):
        state(end("halt", 3), end("passed", 0))


def test_a_damaged_journal_is_a_halt_until_it_is_resolved() -> None:
    run = RunState(run_id=RUN, damage="event 3 was changed")
    assert run.is_halted and not run.is_open
    obstacle = standing_in_the_way([run])
    assert obstacle is not None and "event 3 was changed" in obstacle.reason


def test_a_torn_write_is_reported() -> None:
    assert "cut off by a kill" in state(torn=True).warnings[0]
    assert "41 bytes" in state((model.RECOVERED, {"bytes": 41})).warnings[0]


def test_a_name_cannot_forge_the_message() -> None:
    run = state(end("halt", 3, "table x\nVERIFY OK\x1b[2J"))
    obstacle = standing_in_the_way([run])
    assert obstacle is not None and "\n" not in obstacle.reason and "\x1b" not in obstacle.reason


@pytest.mark.parametrize(
    "said",
    [
        [step_end("never began")],
        [step("a"), step_end("b")],
        [step("a"), step_end("a"), step_end("a")],
        [step("a"), step_end("a", "splendid")],
        [end("splendid")],
        [end("passed", "0")],  # type: ignore[arg-type]
        [(model.BACKUP, {})],
        [(model.BACKUP, {"id": 5})],
        [(model.PUBLISHED, {"commit": "x", "pushed": "yes"})],
        [(model.RESUMED, {"process": None})],
        [(model.RECOVERED, {"bytes": True})],
        [START],
    ],
)
def test_events_that_make_no_run_are_an_error(said: list[Said]) -> None:
    with pytest.raises(JournalError):
        state(*said)


def test_a_journal_begins_with_its_start() -> None:
    with pytest.raises(JournalError):
        replay(RUN, made(step("a")), alive=True)
    with pytest.raises(JournalError):
        replay(RUN, [], alive=True)
    with pytest.raises(JournalError, match="journal of run"):
        replay("20261122T101530Z-000000", made(START), alive=True)


def test_the_run_id_sorts_by_time_and_is_recognised() -> None:
    run_id = model.new_run_id(NOW, "3f2a91")
    assert run_id == "20261122T101530Z-3f2a91"
    assert model.RUN_ID.fullmatch(run_id)


def test_refusals_add_up_and_rows_belong_to_their_verdict() -> None:
    one, two = ({"by": "guard", "agent": "a", "what": what, "reason": "r", "times": 1} for what in ("x", "y"))
    found = {"tables": [], "more_tables": 0}
    run = state(
        (model.REFUSED, {"refusals": [one]}),
        (model.REFUSED, {"refusals": [two]}),
        (model.VERDICT, {"verdict": "changed"}),
        (model.CHANGED_ROWS, found),
    )
    assert run.refused == (one, two) and run.changed_rows == found
    again = state((model.CHANGED_ROWS, found), (model.VERDICT, {"verdict": "unchanged"}))
    assert again.changed_rows is None, "a later verdict takes the place of an earlier one, with its rows"


@pytest.mark.parametrize("said", [{}, {"refusals": "x"}, {"refusals": [1]}])
def test_refusals_of_another_form_are_damage(said: dict[str, object]) -> None:
    with pytest.raises(JournalError):
        state((model.REFUSED, said))
