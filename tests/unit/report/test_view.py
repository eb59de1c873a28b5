"""What a run's page says for every outcome."""

from __future__ import annotations

import datetime as dt

import pytest
from tests.cases import stories

from ringfence.journal.model import RunState
from ringfence.report.view import Material, RunView, run_view

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)


def view(state: RunState, **material: object) -> RunView:
    return run_view(state, Material(**material), now=NOW, version="1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "tone", "headline", "sentence"),
    [
        (stories.PASSED, "good", "Production unchanged", "commit 9d6a82d1c0ff, pushed"),
        (stories.HALTED, "bad", "HALT: production changed", "No new run starts until it is resolved"),
        (stories.RESOLVED, "bad", "HALT: production changed", "A person has resolved it since"),
        (stories.FAILED, "warn", "An agent failed", "Production was verified: unchanged"),
        (stories.EMPTY, "warn", "Catastrophic failure: the test database has no tables", "No agent had started"),
        (stories.OPEN, "warn", "The run is not finished", "waits for 'post'"),
        (stories.DAMAGED, "bad", "HALT: the journal of this run is damaged", "cannot be believed"),
    ],
)
def test_every_outcome_has_its_headline(state: RunState, tone: str, headline: str, sentence: str) -> None:
    shown = view(state)
    assert (shown.tone, shown.headline) == (tone, headline)
    assert sentence in shown.sentence


def test_unknown_is_not_shown_as_a_pass() -> None:
    state = RunState(run_id="r", outcome="halt", verdict={"verdict": "unknown", "tables": []})
    assert view(state).tone == "bad"
    assert "not shown to be unchanged" in view(state).headline


def test_tables_that_changed_come_first_and_quiet_ones_are_folded_away() -> None:
    shown = view(stories.HALTED, watched=frozenset({("", "Component")}))
    assert [(t.name, t.verdict, t.shown) for t in shown.tables] == [
        ('"SKU"', "changed", True),
        ('"Transaction"', "allowed", True),
        ('"Component"', "unchanged", True),
    ]
    assert shown.tables[0].updated == "25" and shown.tables[0].inserted == ""
    assert view(stories.PASSED).tables_quiet == 12


def test_the_timeline_stays_within_the_run() -> None:
    bars = view(stories.PASSED).bars
    assert [b.name for b in bars][:3] == ["check", "backup", "reseed"]
    assert all(b.left >= 0 and b.left + b.width <= 100.01 and b.width > 0 for b in bars)
    assert max(bars, key=lambda bar: bar.width).name == "agent build"
    going_on = RunState(run_id="r", started_at=stories.T0, steps=(stories.step("backup", 0, None, None),))
    assert view(going_on).bars[0].outcome == "going on"


def test_a_halt_says_what_to_do_and_a_pass_does_not() -> None:
    commands = [command for _, command in view(stories.HALTED).commands]
    assert commands[0] == "ringfence diff" and f"ringfence restore {stories.HALTED.backup}" in commands
    assert view(stories.PASSED).commands == []
    assert view(stories.RESOLVED).commands == []


def test_outputs_of_agents_come_with_their_agent() -> None:
    shown = view(stories.PASSED, tails={".agents/outputs/build-7-112226.md": "12 passed"})
    assert [a.tail for a in shown.agents] == ["", "12 passed", ""]
