"""All runs on one page: what came of them, how long they took, how large the backups were (pure)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringfence import clock, files
from ringfence.journal.model import RunState
from ringfence.redact import one_line, redact
from ringfence.report.view import Tone

_TONES: Mapping[str, Tone] = {"passed": "good", "halt": "bad", "failed": "warn", "abandoned": "quiet"}
MOST_BARS = 60
WIDTH, HEIGHT, TOP = 720.0, 150.0, 12.0


@dataclass(frozen=True, kw_only=True)
class HistoryRow:
    """One run in the list; ``page`` leads to its own page."""

    run_id: str
    page: str
    started: str
    issue: str
    task: str
    outcome: str
    tone: Tone
    took: str
    size: str


@dataclass(frozen=True, kw_only=True)
class PlotBar:
    """One bar of a plot, in the units of its view box."""

    x: float
    y: float
    width: float
    height: float
    tone: Tone
    label: str
    page: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A bar for each run, oldest first; ``top`` is what the highest bar stands for."""

    title: str
    top: str
    bars: Sequence[PlotBar]


@dataclass(frozen=True, kw_only=True)
class HistoryView:
    """What the page shows; ``counts`` are the outcomes with how many runs had them."""

    project: str
    rows: Sequence[HistoryRow]
    counts: Sequence[tuple[str, Tone, int]]
    plots: Sequence[Plot]
    made: str
    version: str


def history_view(
    states: Sequence[RunState], *, project: str, now: dt.datetime, version: str, pages: frozenset[str]
) -> HistoryView:
    """The page of these runs, newest first. ``pages`` are the runs that have a page of their own."""
    plotted = [s for s in reversed(states[:MOST_BARS]) if s.started_at]
    plots = [
        _plot("Duration", plotted, [_seconds(s) for s in plotted], clock.seconds_text, pages),
        _plot("Size of the backup", plotted, [s.backup_bytes for s in plotted], _size, pages),
    ]
    outcomes = [_outcome(s) for s in states]
    return HistoryView(
        project=one_line(project),
        rows=[_row(s, pages) for s in states],
        counts=[(o, _tone_of(o), outcomes.count(o)) for o in dict.fromkeys(outcomes)],
        plots=[p for p in plots if p.bars],
        made=now.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        version=version,
    )


def _row(state: RunState, pages: frozenset[str]) -> HistoryRow:
    seconds = _seconds(state)
    return HistoryRow(
        run_id=state.run_id,
        page=_page(state, pages),
        started=state.started_at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M") if state.started_at else "",
        issue=state.issue or "",
        task=redact(one_line(state.text))[:200],
        outcome=_outcome(state) + (" (resolved)" if state.resolved else ""),
        tone=_tone_of(_outcome(state)),
        took=clock.seconds_text(seconds) if seconds is not None else "",
        size=_size(state.backup_bytes) if state.backup_bytes else "",
    )


def _plot(
    title: str,
    states: Sequence[RunState],
    values: Sequence[float | None],
    shown: object,
    pages: frozenset[str],
) -> Plot:
    assert callable(shown)
    highest = max((v for v in values if v), default=0)
    if not highest:
        return Plot(title=title, top="", bars=())
    step = WIDTH / max(len(states), 12)
    bars = []
    for number, (state, value) in enumerate(zip(states, values, strict=True)):
        if not value:
            continue
        height = max(2.0, (HEIGHT - TOP) * value / highest)
        bars.append(
            PlotBar(
                x=round(number * step + step * 0.12, 2),
                y=round(HEIGHT - height, 2),
                width=round(step * 0.76, 2),
                height=round(height, 2),
                tone=_tone_of(_outcome(state)),
                label=f"{state.run_id}: {_outcome(state)}, {shown(value)}",
                page=_page(state, pages),
            )
        )
    return Plot(title=title, top=str(shown(highest)), bars=bars)


def _page(state: RunState, pages: frozenset[str]) -> str:
    return f"{state.run_id}/report.html" if state.run_id in pages else ""


def _outcome(state: RunState) -> str:
    if state.damage:
        return "damaged"
    return state.outcome or ("interrupted" if state.interrupted else "open")


def _tone_of(outcome: str) -> Tone:
    return "bad" if outcome == "damaged" else _TONES.get(outcome, "warn")


def _seconds(state: RunState) -> float | None:
    if state.started_at and state.ended_at:
        return (state.ended_at - state.started_at).total_seconds()
    return None


def _size(value: float) -> str:
    return files.bytes_text(int(value))
