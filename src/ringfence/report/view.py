"""What the pages of a run show, in words and numbers that are ready to be printed (pure).

A page is read on a phone, printed, and kept as evidence: everything is in it, nothing is fetched, no script runs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ringfence import clock, files
from ringfence.journal.model import RunState, Step
from ringfence.redact import one_line, quote_ident, redact
from ringfence.report import evidence
from ringfence.report.evidence import ChangedTable, Refusal

Tone = Literal["good", "bad", "warn", "quiet"]
_MOST = 200
_STEP_TONES: Mapping[str, Tone] = {"done": "good", "failed": "bad", "halt": "bad", "skipped": "quiet"}
_VERDICT_TONES: Mapping[str, Tone] = {"unchanged": "good", "allowed": "good", "changed": "bad", "unknown": "bad"}
_PROOFS = {
    "wal": "The write-ahead log since the baseline names every block that was touched; only those were read again.",
    "fingerprint": "Every row of every table was read again and compared by its 128-bit fingerprint.",
}


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One step on the timeline; ``left`` and ``width`` are percent of the run."""

    name: str
    outcome: str
    tone: Tone
    took: str
    left: float
    width: float
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One table of the database before and after the agents."""

    name: str
    rule: str
    before: str
    after: str
    inserted: str
    updated: str
    deleted: str
    verdict: str
    tone: Tone
    shown: bool


@dataclass(frozen=True, kw_only=True)
class AgentCard:
    """One agent: how it ended, and the last lines of what it printed."""

    name: str
    command: str
    outcome: str
    tone: Tone
    took: str
    output_file: str
    printed: str
    reasons: tuple[str, ...]
    tail: str


@dataclass(frozen=True, kw_only=True)
class BackupRow:
    """One backup; ``mine`` is the baseline of this run."""

    id: str
    made: str
    size: str
    note: str
    tone: Tone
    mine: bool


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A run as its page shows it."""

    title: str
    tone: Tone
    headline: str
    sentence: str
    facts: Sequence[tuple[str, str]]
    reasons: Sequence[str]
    proof: str
    bars: Sequence[Bar]
    tables: Sequence[TableRow]
    other: Sequence[Mapping[str, str]]
    agents: Sequence[AgentCard]
    backups: Sequence[BackupRow]
    commands: Sequence[tuple[str, str]]
    made: str
    version: str
    warnings: Sequence[str] = ()
    tables_quiet: int = 0
    other_more: int = 0
    changed: Sequence[ChangedTable] = ()
    changed_more: int = 0
    refusals: Sequence[Refusal] = ()


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a page is made of besides the run: ``tails`` are the last lines of outputs by their file, ``watched`` the
    tables that are always shown, ``backups`` the store as it is now."""

    tails: Mapping[str, str] = field(default_factory=dict)
    watched: frozenset[tuple[str, str]] = frozenset()
    backups: Sequence[BackupRow] = ()


def run_view(state: RunState, material: Material, *, now: dt.datetime, version: str) -> RunView:
    """Everything the page of one run shows."""
    verdict = state.verdict or {}
    tables = _tables(verdict, material.watched)
    other = _list(verdict, "other")
    tone, headline, sentence = _heading(state)
    changed, changed_more = evidence.changed_tables(state)
    return RunView(
        title=f"{state.run_id} · {one_line(state.project)}",
        tone=tone,
        headline=headline,
        sentence=sentence,
        facts=_facts(state),
        reasons=[_said(r) for r in state.reasons[:_MOST]] + ([_said(state.damage)] if state.damage else []),
        proof=_proof(verdict),
        bars=_bars(state, now),
        tables=tables,
        tables_quiet=sum(not t.shown for t in tables),
        other=[{k: _value(o.get(k)) for k in ("kind", "object", "before", "after")} for o in other[:_MOST]],
        other_more=max(0, len(other) - _MOST),
        agents=[_agent(a, material.tails) for a in state.agents],
        backups=material.backups,
        commands=_commands(state),
        warnings=[_said(w) for w in state.warnings],
        changed=changed,
        changed_more=changed_more,
        refusals=evidence.refusals(state),
        made=now.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        version=version,
    )


def _heading(state: RunState) -> tuple[Tone, str, str]:
    verdict = str((state.verdict or {}).get("verdict", ""))
    if state.is_halted or state.outcome == "halt":
        resolved = " A person has resolved it since." if state.resolved else " No new run starts until it is resolved."
        if verdict == "changed":
            return "bad", "HALT: production changed", "Nothing was committed or pushed." + resolved
        if state.damage:
            return "bad", "HALT: the journal of this run is damaged", "What it says cannot be believed." + resolved
        return (
            "bad",
            "HALT: production is not shown to be unchanged",
            "Something could not be looked at, and unknown is not unchanged. Nothing was committed or pushed."
            + resolved,
        )
    if state.outcome == "passed":
        return "good", f"Production {verdict or 'not looked at'}", _what_became(state)
    if state.outcome == "failed":
        looked = f"Production was verified: {verdict}." if verdict else "No agent had started."
        return "warn", _failure(state), f"{looked} {_what_became(state)}"
    if state.outcome == "abandoned":
        return "warn", "The run was given up", "A person closed it before it had ended."
    how = f"It waits for '{state.paused}'." if state.paused else "The process that wrote it is gone."
    if state.is_open and not state.interrupted and not state.paused:
        how = "It is going on."
    return "warn", "The run is not finished", how


def _failure(state: RunState) -> str:
    if state.exit_code == 99:
        return "Catastrophic failure: the test database has no tables"
    if state.exit_code == 8:
        return "An agent failed"
    return "The run failed"


def _what_became(state: RunState) -> str:
    if state.commit:
        return f"The agents' work is commit {state.commit[:12]}, {'pushed' if state.pushed else 'not pushed'}."
    return "Nothing was committed."


def _facts(state: RunState) -> list[tuple[str, str]]:
    facts = [("Task", _said(state.text) or "none given"), ("Issue", state.issue or "none")]
    if state.started_at:
        facts.append(("Started", state.started_at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")))
    if state.started_at and state.ended_at:
        facts.append(("Took", clock.seconds_text((state.ended_at - state.started_at).total_seconds())))
    facts.append(("Exit status", "none yet" if state.exit_code is None else str(state.exit_code)))
    if state.backup:
        facts.append(("Baseline", one_line(state.backup)))
    if state.resolved:
        facts.append(("Resolved", f"by {one_line(state.resolved.by)}: {_said(state.resolved.reason)}"))
    return facts


def _proof(verdict: Mapping[str, object]) -> str:
    proof = verdict.get("proof")
    return _PROOFS.get(str(proof), f"Proof: {one_line(str(proof))}.") if proof else ""


def _bars(state: RunState, now: dt.datetime) -> list[Bar]:
    if not state.steps or state.started_at is None:
        return []
    end = state.ended_at or max([now, *(s.started_at for s in state.steps)])
    whole = max((end - state.started_at).total_seconds(), 0.001)
    return [_bar(step, state.started_at, whole, end) for step in state.steps]


def _bar(step: Step, start: dt.datetime, whole: float, end: dt.datetime) -> Bar:
    left = 100 * max(0.0, (step.started_at - start).total_seconds()) / whole
    seconds = step.seconds if step.seconds is not None else (end - step.started_at).total_seconds()
    outcome = step.outcome or "going on"
    return Bar(
        name=one_line(step.name),
        outcome=outcome,
        tone=_STEP_TONES.get(outcome, "warn"),
        took="" if step.seconds is None else clock.seconds_text(step.seconds),
        left=round(min(left, 99.5), 2),
        width=round(max(0.5, min(100 * seconds / whole, 100 - min(left, 99.5))), 2),
        notes=tuple(_said(r) for r in step.reasons[:20]),
    )


def _tables(verdict: Mapping[str, object], watched: frozenset[tuple[str, str]]) -> list[TableRow]:
    rows = []
    for one in _list(verdict, "tables"):
        schema, name = str(one.get("schema", "")), str(one.get("name", ""))
        how = str(one.get("verdict", ""))
        prefix = "" if schema == "public" else f"{quote_ident(schema)}."
        rows.append(
            TableRow(
                name=f"{prefix}{quote_ident(name)}",
                rule=one_line(str(one.get("rule", ""))),
                before=_count(one.get("rows_before")),
                after=_count(one.get("rows_after")),
                inserted=_count(one.get("inserted"), zero=""),
                updated=_count(one.get("updated"), zero=""),
                deleted=_count(one.get("deleted"), zero=""),
                verdict=one_line(how),
                tone=_VERDICT_TONES.get(how, "warn"),
                shown=how != "unchanged" or bool(watched & {(schema, name), ("", name)}),
            )
        )
    return sorted(rows, key=lambda r: (r.verdict == "unchanged", not r.shown, r.name))


def _agent(agent: Mapping[str, object], tails: Mapping[str, str]) -> AgentCard:
    outcome, seconds = str(agent.get("outcome", "")), agent.get("seconds")
    code, size = agent.get("exit_code"), agent.get("output_bytes")
    command, reasons = agent.get("command"), agent.get("reasons")
    output = str(agent.get("output_file") or "")
    return AgentCard(
        name=one_line(str(agent.get("name", ""))) + _attempt(agent.get("attempt")),
        command=_said(" ".join(map(str, command)) if isinstance(command, list) else ""),
        outcome=one_line(outcome) + (f", exit status {code}" if code else ""),
        tone="good" if outcome == "done" else "bad",
        took=clock.seconds_text(seconds) if isinstance(seconds, int | float) else "",
        output_file=one_line(output),
        printed=files.bytes_text(size) if isinstance(size, int) else "",
        reasons=tuple(_said(str(r)) for r in reasons[:20]) if isinstance(reasons, list) else (),
        tail=tails.get(output, ""),
    )


def _attempt(number: object) -> str:
    return f", attempt {number}" if isinstance(number, int) and number > 1 else ""


def _commands(state: RunState) -> list[tuple[str, str]]:
    if state.outcome == "halt" and state.resolved is None:
        return [
            ("the rows that differ, old and new", "ringfence diff"),
            ("the SQL that puts exactly those rows back; --apply runs it", "ringfence repair"),
            ("or the whole database, beside the damaged one, then swapped in", f"ringfence restore {state.backup}"),
            ("compare again", "ringfence verify"),
            ("let work go on", f"ringfence resolve {state.run_id} --reason TEXT"),
        ]
    if state.is_open:
        return [("verify production and end the run", "ringfence post")]
    if state.exit_code == 99:
        return [
            ("if this is the first set-up", "ringfence run --fresh-start"),
            ("if not, look who wiped it before you go on", "ringfence status"),
        ]
    return []


def _list(verdict: Mapping[str, object], key: str) -> list[Mapping[str, Any]]:
    found = verdict.get(key)
    return [o for o in found if isinstance(o, Mapping)] if isinstance(found, list) else []


def _count(value: object, *, zero: str = "0") -> str:
    if not isinstance(value, int):
        return ""
    return f"{value:,}" if value else zero


def _value(value: object) -> str:
    return "" if value is None else _said(str(value))


def _said(text: str) -> str:
    return redact(one_line(text))[:2000]
