"""A checklist as a person and a program get to see it (pure)."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ringfence.redact import one_line
from ringfence.report import findings
from ringfence.workflow.checks.check import Checked
from ringfence.workflow.checks.checklist import Line

_MARKS = {"holds": ("ok", "green"), "fails": ("NO", "bold red"), "unknown": ("??", "bold red"), "open": ("--", "dim")}
_HEADINGS = {"before": "Before a run", "separation": "Separation", "after": "After a run"}
_SHOWN = 4


def document(result: Checked) -> dict[str, Any]:
    """``check``: the findings as every command gives them, and every line with its evidence."""
    return findings.document(result.findings) | {
        "moments": list(result.moments),
        "lines": [line.to_json() for line in result.lines],
        "fixed": list(result.fixed),
    }


def text(result: Checked) -> RenderableType:
    """Every line under its heading, the findings, and a last line that says how it stands."""
    parts: list[RenderableType] = [Text(f"fixed: {one_line(f)}", style="yellow") for f in result.fixed]
    for group, heading in _HEADINGS.items():
        lines = [line for line in result.lines if line.name.startswith(f"{group}/")]
        if lines:
            parts.append(Text(heading, style="bold"))
            parts += [_line(line) for line in lines]
    rest = [line for line in result.lines if line.name.split("/")[0] not in _HEADINGS]
    if rest:
        parts.append(Text("Besides", style="bold"))
        parts += [_line(line) for line in rest]
    if result.findings:
        parts += [Text(""), findings.grouped(result.findings)]
    wrong = [line for line in result.lines if line.outcome in ("fails", "unknown")]
    parts.append(Text(""))
    if result.passed:
        parts.append(Text(f"ALL LINES HOLD  {len(result.lines)} looked at", style="bold green"))
    else:
        parts.append(Text(f"{len(wrong)} OF {len(result.lines)} LINES DO NOT HOLD", style="bold red"))
    return Group(*parts)


def _line(line: Line) -> RenderableType:
    mark, style = _MARKS[line.outcome]
    seen = [Text(f"       {one_line(e)}", style="dim") for e in line.evidence[:_SHOWN]]
    if len(line.evidence) > _SHOWN:
        seen.append(Text(f"       and {len(line.evidence) - _SHOWN} more; --json has them all", style="dim"))
    return Group(Text.assemble(("  " + mark, style), f"  {line.text}"), *seen)
