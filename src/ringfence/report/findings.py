"""Findings as a person and a program get to see them (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ringfence.findings import Finding, by_severity
from ringfence.redact import one_line
from ringfence.report.schema import SCHEMA

_SHOWN_WHOLE = 2
_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}


def document(found: Sequence[Finding]) -> dict[str, Any]:
    """``{"findings": […]}``, worst first: `check`, `roles audit`, `lint`, `agents check` and `attack` print it."""
    return {"schema": SCHEMA, "findings": [f.to_json() for f in by_severity(found)]}


def text(found: Sequence[Finding]) -> RenderableType:
    """Each finding in two to four lines: what and where, why it matters, what was seen, what mends it."""
    return Group(*(_one(f) for f in by_severity(found)))


def grouped(found: Sequence[Finding]) -> RenderableType:
    """The same, but where a rule found much, the first ones whole and the others by name."""
    parts: list[RenderableType] = []
    for _, alike in groupby(by_severity(found), key=lambda f: (f.severity, f.rule)):
        group = list(alike)
        parts.append(text(group[:_SHOWN_WHOLE]))
        rest = [one_line(f.object) for f in group[_SHOWN_WHOLE:]]
        if rest:
            parts.append(Text(f"          and for: {', '.join(rest)}", style="dim"))
    return Group(*parts)


def _one(finding: Finding) -> RenderableType:
    where = one_line(finding.object)
    if finding.file is not None:
        place = ":".join(str(p) for p in (one_line(finding.file), finding.line, finding.column) if p is not None)
        where = place if place == where else f"{place}  {where}"
    lines: list[RenderableType] = [
        Text.assemble((f"{finding.severity:<8}", _STYLES[finding.severity]), f"  {finding.rule}  ", (where, "bold"))
    ]
    lines.append(Text(f"          {one_line(finding.message)}"))
    if finding.evidence:
        lines += _block("seen: ", finding.evidence)
    if finding.fix:
        lines += _block("fix:  ", finding.fix)
    return Group(*lines)


def _block(label: str, content: str) -> list[Text]:
    first, *rest = content.strip().split("\n")
    return [Text(f"          {label}{one_line(first)}", style="dim")] + [
        Text(f"                {one_line(line)}", style="dim") for line in rest
    ]
