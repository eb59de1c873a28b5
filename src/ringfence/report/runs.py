"""Runs as a person reads them on a terminal: one in short, one in full, all in a list (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ringfence import clock
from ringfence.journal.model import RunState, Step
from ringfence.redact import one_line
from ringfence.report import evidence
from ringfence.report.text import columns, indented
from ringfence.wording import counted

_OUTCOMES = {"done": "green", "failed": "red", "halt": "bold red", "skipped": "dim", "interrupted": "yellow"}
_HEADINGS = {
    "passed": ("RUN PASSED", "bold green"),
    "halt": ("HALT", "bold red"),
    "failed": ("RUN FAILED", "bold red"),
    "abandoned": ("RUN ABANDONED", "bold yellow"),
}


def run(state: RunState) -> RenderableType:
    """How a run ended: the verdict, every step with its time, and what to do next."""
    parts: list[RenderableType] = [_heading(state), indented(_steps(state.steps))]
    parts += [Text(f"  - {one_line(reason)}") for reason in state.reasons[:20]]
    if state.damage:
        parts.append(Text(f"  journal damaged: {one_line(state.damage)}", style="red"))
    parts.append(_end(state))
    return Group(*parts)


def report(state: RunState) -> RenderableType:
    """`run`, with the agents, what they were refused, and the tables that the verification found different."""
    parts: list[RenderableType] = [run(state)]
    if state.agents:
        table = columns("agent", "outcome", "exit", "time", "output", right=(2, 3))
        for agent in state.agents:
            table.add_row(*(one_line(str(v)) for v in _agent_row(agent)))
        parts += [Text(""), table]
    parts += _refusals(state)
    if state.verdict is not None:
        parts += _changed_tables(state.verdict)
    if state.resolved:
        parts.append(Text(f"resolved by {state.resolved.by}: {one_line(state.resolved.reason)}"))
    return Group(*parts)


def runs(states: Sequence[RunState]) -> RenderableType:
    """The list of runs, newest first."""
    if not states:
        return Text("no run yet; 'ringfence run' makes one")
    table = columns("run", "issue", "outcome", "exit", "time", "task", right=(3, 4))
    for state in states:
        how = _how(state)
        seconds = _seconds(state)
        table.add_row(
            state.run_id,
            state.issue or "",
            Text(how, style=_HEADINGS.get(state.outcome or "", ("", "yellow"))[1]),
            "" if state.exit_code is None else str(state.exit_code),
            clock.seconds_text(seconds) if seconds is not None else "",
            one_line(state.text[:60]),
        )
    return table


def _heading(state: RunState) -> Text:
    label, style = _HEADINGS.get(state.outcome or "", (f"RUN {_how(state).upper()}", "bold yellow"))
    issue = f", issue {state.issue}" if state.issue else ""
    seconds = _seconds(state)
    took = f", {clock.seconds_text(seconds)}" if seconds is not None else ""
    return Text.assemble((label, style), f"  {state.run_id}{issue}{took}")


def _steps(steps: Sequence[Step]) -> RenderableType:
    table = columns("step", "outcome", "time", "", right=(2,))
    for step in steps:
        outcome = step.outcome or "going on"
        table.add_row(
            one_line(step.name),
            Text(outcome, style=_OUTCOMES.get(outcome, "yellow")),
            clock.seconds_text(step.seconds) if step.seconds is not None else "",
            Text(one_line(step.reasons[0][:100]) if step.reasons else "", style="dim"),
        )
    return table


def _end(state: RunState) -> Text:
    if state.outcome == "halt" and state.resolved is None:
        return Text(
            "Nothing was committed or pushed, and no new run starts until a person resolves this.\n"
            f"  what happened:  ringfence report {state.run_id}\n"
            "  compare again:  ringfence verify\n"
            f"  go on:          ringfence resolve {state.run_id} --reason TEXT"
        )
    if state.paused:
        return Text("Now start your agents on the test database; 'ringfence post' ends the run.")
    if state.outcome == "passed":
        pushed = "and pushed" if state.pushed else "and not pushed"
        return Text(f"commit {state.commit[:12]} {pushed}" if state.commit else "nothing to commit")
    if state.commit:
        return Text(f"commit {state.commit[:12]} is kept" + ("" if state.pushed else "; it is not pushed"))
    return Text("")


def _changed_tables(verdict: Mapping[str, object]) -> list[RenderableType]:
    tables = verdict.get("tables")
    differing = [t for t in tables if t.get("verdict") != "unchanged"] if isinstance(tables, list) else []
    if not differing:
        return []
    table = columns("table", "rule", "before", "after", "inserted", "updated", "deleted", "", right=(2, 3, 4, 5, 6))
    for one in differing:
        values = [
            one.get(k) for k in ("rule", "rows_before", "rows_after", "inserted", "updated", "deleted", "verdict")
        ]
        name = one_line(f"{one.get('schema')}.{one.get('name')}")
        table.add_row(name, *("" if v is None else one_line(str(v)) for v in values))
    return [Text(""), table]


def _refusals(state: RunState) -> list[RenderableType]:
    """What agents tried and were refused; the page has all of it."""
    found = evidence.refusals(state)
    lines = [Text(f"  refused by the {one.by}: {one.agent}: {(one.what or one.reason)[:200]}") for one in found[:10]]
    if len(found) > len(lines):
        lines.append(Text(f"  and {counted(len(found) - len(lines), 'refusal')} more, on the page"))
    return [Text(""), *lines] if lines else []


def _agent_row(agent: Mapping[str, object]) -> tuple[object, ...]:
    seconds = agent.get("seconds")
    took = clock.seconds_text(seconds) if isinstance(seconds, int | float) else ""
    code = agent.get("exit_code")
    return agent.get("name"), agent.get("outcome"), "" if code is None else code, took, agent.get("output_file") or ""


def _how(state: RunState) -> str:
    if state.damage:
        return "damaged"
    if state.outcome:
        return f"{state.outcome} (resolved)" if state.resolved else state.outcome
    return "interrupted" if state.interrupted else f"waits for {state.paused}" if state.paused else "going on"


def _seconds(state: RunState) -> float | None:
    if state.started_at and state.ended_at:
        return (state.ended_at - state.started_at).total_seconds()
    return None
