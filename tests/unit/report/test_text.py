"""What a person reads: everything that matters is there, and nothing from a database can forge or style it."""

from __future__ import annotations

import datetime as dt

from rich.console import Console, RenderableType

from ringfence.config.model import Verify
from ringfence.engines.model import EngineStatus
from ringfence.integrity.model import (
    Comparison,
    RowChanges,
    TableComparison,
    TableName,
    TableRule,
    TableVerdict,
    Verdict,
)
from ringfence.journal.model import RunState, Step
from ringfence.report import runs, text
from ringfence.workflow.comparison.verify import Verified

NOW = dt.datetime(2026, 11, 22, 10, 15, 30, tzinfo=dt.UTC)


def shown(content: RenderableType, *, terminal: bool = False) -> str:
    console = Console(width=110, force_terminal=terminal, no_color=not terminal)
    with console.capture() as captured:
        console.print(content)
    return captured.get()


def table(name: str, verdict: TableVerdict, changes: RowChanges | None = None) -> TableComparison:
    return TableComparison(
        table=TableName(schema="public", name=name),
        rule=TableRule(rule="exact"),
        rows_before=1000,
        rows_after=1000,
        changes=changes,
        verdict=verdict,
    )


def verified(verdict: Verdict, *tables: TableComparison, reasons: tuple[str, ...] = ()) -> Verified:
    comparison = Comparison(verdict=verdict, proof="fingerprint", tables=tables, other=(), reasons=reasons)
    return Verified(baseline="inventory_backup_7_20261122T101530Z", comparison=comparison, seconds=0.61)


def test_unchanged_says_so_and_counts_the_quiet_tables() -> None:
    said = shown(
        text.verified(verified("unchanged", table("film", "unchanged"), table("actor", "unchanged")), Verify())
    )
    assert "PRODUCTION UNCHANGED" in said
    assert "2 tables unchanged, every row compared" in said
    assert "Do not commit" not in said


def test_watched_tables_are_shown_by_name() -> None:
    settings = Verify(watch=('"SKU"',))  # type: ignore[arg-type]  # parsed by the model, as from the file
    said = shown(text.verified(verified("unchanged", table("SKU", "unchanged"), table("film", "unchanged")), settings))
    assert '"SKU"' in said
    assert "film" not in said


def test_a_halt_shows_the_counts_and_what_to_do() -> None:
    changes = RowChanges(inserted=1, updated=25, deleted=3)
    found = verified("changed", table("SKU", "changed", changes), reasons=('table "SKU": 25 rows updated',))
    said = shown(text.verified(found, Verify()))
    assert "HALT: PRODUCTION CHANGED" in said
    for number in ("25", "1,000"):
        assert number in said
    assert "Do not commit or push" in said


def test_unknown_is_a_halt() -> None:
    said = shown(text.verified(verified("unknown", reasons=("production could not be read: refused",)), Verify()))
    assert "HALT: NOT SHOWN TO BE UNCHANGED" in said
    assert "could not be read" in said


def test_a_name_cannot_forge_a_line_or_a_style() -> None:
    evil = "x\nPRODUCTION UNCHANGED [bold green]ok[/] \x1b[32m"
    found = verified("changed", table(evil, "changed"), reasons=(f"table {evil}: gone",))
    said = shown(text.verified(found, Verify()))
    assert not any(line.strip().startswith("PRODUCTION UNCHANGED") for line in said.splitlines())
    assert "\x1b[32m" not in said
    assert "[bold green]" in said


def test_many_reasons_are_cut_and_the_rest_is_counted() -> None:
    said = shown(text.verified(verified("changed", reasons=tuple(f"reason {n}" for n in range(50))), Verify()))
    assert "reason 19" in said
    assert "reason 20" not in said
    assert "and 30 more" in said


def test_environments_on_one_line_each() -> None:
    status = EngineStatus(
        environment="production", engine="embedded", state="running", host="127.0.0.1", port=4546, pid=4711
    )
    said = shown(text.environments([status]))
    assert "127.0.0.1:4546" in said
    assert "4711" in said


def state(**more: object) -> RunState:
    values: dict[str, object] = {
        "run_id": "20261122T101530Z-3f2a91",
        "started_at": NOW,
        "ended_at": NOW + dt.timedelta(seconds=3),
        "steps": (Step(name="verify", started_at=NOW, seconds=0.6, outcome="halt", reasons=('table "SKU": gone',)),),
    }
    return RunState(**(values | more))  # type: ignore[arg-type]


def test_a_halted_run_says_how_to_resolve_it() -> None:
    said = shown(runs.run(state(outcome="halt", exit_code=3, reasons=('table "SKU": gone',))))
    assert said.startswith("HALT")
    assert "ringfence resolve 20261122T101530Z-3f2a91 --reason" in said
    assert "Nothing was committed or pushed" in said


def test_a_passed_run_names_its_commit() -> None:
    said = shown(runs.run(state(outcome="passed", exit_code=0, commit="a" * 40, pushed=True)))
    assert "RUN PASSED" in said
    assert "commit aaaaaaaaaaaa and pushed" in said


def test_a_commit_that_was_not_pushed_is_not_forgotten() -> None:
    said = shown(runs.run(state(outcome="failed", exit_code=2, commit="b" * 40, reasons=("push failed",))))
    assert "commit bbbbbbbbbbbb is kept; it is not pushed" in said


def test_an_interrupted_run_is_called_so() -> None:
    assert "INTERRUPTED" in shown(runs.run(state(ended_at=None, interrupted=True)))
    assert "interrupted" in shown(runs.runs([state(ended_at=None, interrupted=True)]))


def test_a_damaged_journal_is_in_the_list() -> None:
    said = shown(runs.runs([RunState(run_id="20261122T101530Z-3f2a91", damage="event 3 was altered")]))
    assert "damaged" in said


def test_the_report_has_agents_and_tables() -> None:
    verdict = {
        "tables": [
            {"schema": "public", "name": "SKU", "rule": "exact", "rows_before": 5, "updated": 2, "verdict": "changed"},
            {"schema": "public", "name": "quiet", "rule": "exact", "verdict": "unchanged"},
        ]
    }
    agents = ({"name": "build", "outcome": "done", "exit_code": 0, "seconds": 1.5, "output_file": ".agents/x.md"},)
    said = shown(runs.report(state(outcome="halt", exit_code=3, verdict=verdict, agents=agents)))
    assert "public.SKU" in said
    assert "quiet" not in said
    assert ".agents/x.md" in said


def test_no_runs_yet() -> None:
    assert "no run yet" in shown(runs.runs([]))


def test_the_report_says_what_agents_were_refused() -> None:
    one = {"by": "guard", "agent": "build\x1b[31m", "what": "psql -p 4546\nVERIFY OK", "reason": "r", "times": 1}
    said = shown(runs.report(state(outcome="passed", exit_code=0, refused=(one,) * 12)))
    assert "refused by the guard: build\\x1b[31m: psql -p 4546\\nVERIFY OK" in said and "\x1b" not in said
    assert "and 2 refusals more, on the page" in said
