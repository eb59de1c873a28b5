"""The demo told on one screen (pure)."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ringfence import clock
from ringfence.journal.model import RunState
from ringfence.report.schema import SCHEMA
from ringfence.report.text import columns
from ringfence.workflow.demo import Told


def story(told: Told) -> RenderableType:
    """What was done, what each layer saw, and what came of it."""
    table = columns("", "run 1: a good agent", "run 2: a bad agent")
    good, bad = told.good, told.bad
    counts = "unchanged" if told.counts_before == told.counts_after else "changed"
    rows = (
        ("backup", _took(good, "backup"), _took(bad, "backup")),
        ("test database", f"equals it, {_took(good, 'reseed')}", f"equals it, {_took(bad, 'reseed')}"),
        ("it changed", "the test database, two files", "25 prices in production"),
        ("it said", "tests pass", "production was not touched"),
        ("row counts", "unchanged", f"{counts}: a count sees nothing"),
        ("Ringfence found", "production unchanged", _found(bad)),
        ("commit, push", f"commit {(good.commit or '')[:7]}, pushed", "refused, nothing pushed"),
        ("exit status", str(good.exit_code), f"{bad.exit_code}: HALT until resolved"),
    )
    for name, left, right in rows:
        table.add_row(Text(name, style="dim"), Text(left, style="green"), Text(right, style="red"))
    lines: list[RenderableType] = [
        Text(""),
        Text.assemble(
            ("What happened", "bold"),
            f"  on two {told.servers} servers with 5,200 rows, in {clock.seconds_text(told.seconds)}",
        ),
        table,
        Text(""),
        Text("Next, in your own project: 'ringfence init', 'ringfence up', 'ringfence run'"),
    ]
    if told.directory:
        lines.append(Text(f"The scratch directory is kept: {told.directory} (its servers are stopped)"))
    return Group(*lines)


def document(told: Told) -> dict[str, Any]:
    """``demo --json``."""
    return {
        "schema": SCHEMA,
        "good": told.good.to_json(),
        "bad": told.bad.to_json(),
        "remote": {"after_good": told.remote_after_good, "after_bad": told.remote_after_bad},
        "counts": {"before": dict(told.counts_before), "after": dict(told.counts_after)},
        "seconds": round(told.seconds, 3),
    }


def _took(state: RunState, name: str) -> str:
    seconds = next((s.seconds for s in state.steps if s.name == name), None)
    return "" if seconds is None else clock.seconds_text(seconds)


def _found(state: RunState) -> str:
    return state.reasons[0] if state.reasons else "nothing"
