"""The demo told on one screen (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ringfence import clock
from ringfence.journal.model import RunState
from ringfence.report.schema import SCHEMA
from ringfence.report.text import columns
from ringfence.wording import counted
from ringfence.workflow.runs.demo import Told


def story(told: Told) -> RenderableType:
    """What was done, what each layer saw, and what came of it."""
    good, stopped, bad = told.good, told.stopped, told.bad
    heads = ["1: good agent", *(["2: bad, sandboxed"] if stopped else []), "3: bad, no sandbox"]
    table = columns("", *heads)
    counts = "unchanged (!)" if told.counts_before == told.counts_after else "changed"
    rows = (
        ("backup, test db", _proven(good), _proven(stopped), _proven(bad)),
        ("it said", "tests pass", "everything denied", "nothing touched"),
        ("row counts", "unchanged", "unchanged", counts),
        ("production is", "unchanged", "unchanged", _found(bad)),
        ("commit, push", f"{(good.commit or '')[:7]}, pushed", "nothing", "refused"),
        ("exit status", str(good.exit_code), f"{stopped.exit_code}: agent failed" if stopped else "", "3: HALT"),
    )
    for name, first, second, third in rows:
        cells = [Text(first, style="green"), *([Text(second, style="green")] if stopped else []), Text(third, "red")]
        table.add_row(Text(name, style="dim"), *cells)
    lines: list[RenderableType] = [
        Text(""),
        Text.assemble(
            ("What happened", "bold"),
            f"  on two {told.servers} servers with 5,200 rows, in {clock.seconds_text(told.seconds)}",
        ),
        table,
        Text(f"  the sandbox: {told.sandbox}" + (f" ({told.no_sandbox})" if told.no_sandbox else ""), style="dim"),
        Text("Next, in your own project: 'ringfence init', 'ringfence up', 'ringfence run'"),
    ]
    if told.directory:
        lines.append(Text(f"The scratch directory is kept: {told.directory} (its servers are stopped)"))
    return Group(*lines)


def document(told: Told, pages: Sequence[str]) -> dict[str, Any]:
    """``demo --json``; ``pages`` are those of the runs, in their order, where the directory was kept."""
    return {
        "schema": SCHEMA,
        "good": told.good.to_json(),
        "stopped": None if told.stopped is None else told.stopped.to_json(),
        "bad": told.bad.to_json(),
        "sandbox": told.sandbox,
        "remote": {"after_good": told.remote_after_good, "after_bad": told.remote_after_bad},
        "counts": {"before": dict(told.counts_before), "after": dict(told.counts_after)},
        "seconds": round(told.seconds, 3),
        "directory": str(told.directory) if told.directory else None,
        "pages": list(pages),
    }


def _proven(state: RunState | None) -> str:
    """How long backup and reseed took together."""
    if state is None:
        return ""
    seconds = sum(s.seconds or 0 for s in state.steps if s.name in ("backup", "reseed"))
    return f"proven in {clock.seconds_text(seconds)}"


def _found(state: RunState) -> str:
    tables = state.verdict.get("tables", []) if state.verdict else []
    changed = [t for t in tables if isinstance(t, dict) and t.get("updated")] if isinstance(tables, list) else []
    if changed:
        return f"{counted(int(changed[0]['updated']), 'row')} updated"
    return state.reasons[0] if state.reasons else "nothing"
