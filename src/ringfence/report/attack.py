"""What stopped each case, and the containment score, as a person and a program get to see them (pure)."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ringfence import clock
from ringfence.attack.model import LAYERS, Result, Score, Trial
from ringfence.redact import one_line
from ringfence.report import findings
from ringfence.workflow.attacks.attack import Attacked

_WIDTH = 43
_MARKS = {"stopped": ("held", "green"), "through": ("--", "yellow"), "unknown": ("??", "bold red"), "none": ("", "dim")}


def document(result: Attacked) -> dict[str, Any]:
    """``attack``: the findings as every command gives them, the score, every case with what each layer said."""
    return findings.document(result.findings) | {
        "score": result.score.to_json(),
        "cases": [r.to_json() for r in result.results],
        "refusals": [{"command": r.command, "layer": r.layer, "said": r.said} for r in result.refusals],
        "sandbox": result.sandbox,
        "servers": result.servers,
        "seconds": round(result.seconds, 1),
    }


def text(result: Attacked) -> RenderableType:
    """A line for each case, 80 columns wide, with what each layer did on its own; then findings and the score."""
    heads = f"{'':<4} {'case':<{_WIDTH}} {'guard':<7}{'sandbox':<9}{'role':<6}{'verify':<6}"
    parts: list[RenderableType] = [Text(heads.rstrip(), style="bold")]
    parts += [_line(r) for r in result.results]
    serious = [f for f in result.findings if f.severity != "info"]
    if serious:
        parts += [Text(""), findings.text(serious)]
    parts += [Text(""), *_conclusion(result)]
    return Group(*parts)


def _line(result: Result) -> RenderableType:
    stopped = result.stopped_by is not None
    line = Text()
    line.append(f"{result.case.id:<4} ", style="dim")
    title = one_line(result.case.title)
    title = title if len(title) <= _WIDTH else f"{title[: _WIDTH - 1]}…"
    line.append(f"{title:<{_WIDTH}} ", style="" if stopped else "bold red")
    for layer, width in zip(LAYERS, (7, 9, 6, 6), strict=True):
        _cell(line, result.trial(layer), width)
    if not stopped:
        line.append(" NOTHING", style="bold red")
    line.rstrip()
    return line


def _cell(line: Text, trial: Trial, width: int) -> None:
    mark, style = _MARKS[trial.outcome]
    if trial.layer == "verification" and trial.outcome == "stopped":
        mark = "back"
    line.append(f"{mark:<{width}}", style=style)


def _conclusion(result: Attacked) -> list[RenderableType]:
    score = result.score
    lines: list[RenderableType] = [
        Text("  held: stopped by this layer alone; back: done for real, found, put right;", style="dim"),
        Text("  --: this layer alone does not stop it; empty: not about this layer", style="dim"),
    ]
    for name, layer in score.layers.items():
        lines.append(Text(f"  {name:<13} alone holds {layer.stopped} of {layer.tried}"))
    lines.append(Text(f"  honest work   {score.benign} tried, {score.refused} refused"))
    lines.append(Text(f"  on {result.servers}; {result.sandbox}", style="dim"))
    lines.append(_verdict(score, result))
    return lines


def _verdict(score: Score, result: Attacked) -> Text:
    said = f"{score.contained} of {score.cases} stopped or put right, in {clock.seconds_text(result.seconds)}"
    style = "bold green" if result.passed else "bold red"
    return Text.assemble((f"CONTAINMENT {score.percent} %", style), f"  {said}")
