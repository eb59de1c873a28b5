"""Roles as a person and a program get to see them (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ringfence.findings import Finding, by_severity
from ringfence.redact import one_line
from ringfence.report import findings
from ringfence.report.schema import SCHEMA
from ringfence.roles.apply import Applied
from ringfence.roles.audit import Audited
from ringfence.roles.prove import Tried
from ringfence.wording import counted
from ringfence.workflow.rights.roles import Proven


def audit_document(result: Audited) -> dict[str, Any]:
    """``roles audit``: the findings, and what was asked."""
    return findings.document(result.findings) | {"rules": result.rules, "databases": list(result.databases)}


def audited(result: Audited) -> RenderableType:
    """The findings, worst first; where a rule found much, the first ones whole and the others by name."""
    parts: list[RenderableType] = [findings.grouped(result.findings)]
    parts.append(Text(_conclusion(result), style="bold red" if result.critical else "bold"))
    return Group(*parts)


def apply_document(result: Applied) -> dict[str, Any]:
    """``roles apply``: the statements, each with its reason and its way back."""
    return {
        "schema": SCHEMA,
        "applied": not result.dry_run,
        "statements": [
            {"sql": s.shown, "why": s.why, "undo": s.undo, "database": s.database} for s in result.statements
        ],
        "password_made": result.password_made and not result.dry_run,
    }


def applied(result: Applied) -> RenderableType:
    """The plan as SQL: what can be pasted into psql, reasons and ways back as remarks."""
    if not result.statements:
        return Text("roles are as declared; nothing to do", style="bold green")
    parts: list[RenderableType] = []
    for statement in result.statements:
        where = f" (in database {statement.database})" if statement.database else ""
        parts.append(Text(f"-- {one_line(statement.why)}{where}", style="dim"))
        parts.append(Text(f"{_statement_text(statement.shown)};"))
        if statement.undo and statement.shown.startswith(("REVOKE", "REASSIGN", "DROP", "ALTER ROLE")):
            parts.append(Text(f"--   the way back: {one_line(statement.undo)}", style="dim"))
    count = counted(len(result.statements), "statement")
    said = f"{count}; nothing was done" if result.dry_run else f"{count}, done and read back: roles are as declared"
    parts.append(Text(said, style="bold"))
    return Group(*parts)


def _statement_text(statement: str) -> str:
    return "\n".join(one_line(line) for line in statement.split("\n"))


def fixes(found: Sequence[Finding]) -> str:
    """The mending SQL of findings as a script; what is no SQL stands there as a remark."""
    lines = []
    for finding in by_severity(found):
        if finding.severity == "info" or not finding.fix:
            continue
        lines.append(f"-- {finding.severity}: {finding.rule} {one_line(finding.object)}")
        is_sql = finding.fix.split(" ", 1)[0] in ("ALTER", "REVOKE", "GRANT", "DROP", "SET", "SELECT", "ROLLBACK")
        lines.append(f"{finding.fix};" if is_sql else f"-- {one_line(finding.fix)}")
    return "\n".join(lines)


def _conclusion(result: Audited) -> str:
    counts = {s: sum(f.severity == s for f in result.findings) for s in ("critical", "high", "medium", "low", "info")}
    said = ", ".join(f"{n} {s}" for s, n in counts.items() if n) or "no findings"
    where = f"{counted(result.rules, 'rule')} in {counted(len(result.databases), 'database')}"
    if result.critical:
        return f"{said}: the app role can destroy production ({where})"
    return f"{said}; no way to delete was found ({where})"


def prove_document(result: Proven) -> dict[str, Any]:
    """``roles prove``: everything that was tried with the server's answer, and the findings."""
    return findings.document(result.findings) | {
        "level": result.level,
        "tried": [
            {
                "name": t.attempt.name,
                "object": t.attempt.object,
                "sql": t.attempt.sql,
                "where": t.where,
                "outcome": t.outcome,
                "answer": t.answer,
            }
            for t in result.tried
        ],
    }


def proven(result: Proven) -> RenderableType:
    """One line for each kind of attempt with the server's words, then what got through."""
    parts: list[RenderableType] = []
    by_kind: dict[tuple[str, str, str], list[Tried]] = {}
    for tried in result.tried:
        by_kind.setdefault((tried.attempt.name, tried.where, tried.outcome), []).append(tried)
    for (name, where, outcome), alike in by_kind.items():
        style = {"refused": "green", "went through": "red", "unknown": "yellow"}[outcome]
        count = f" ({len(alike)} objects)" if len(alike) > 1 else ""
        line = Text.assemble((f"{outcome:<13}", style), f"{one_line(name)}{count}")
        parts.append(line.append(f"  {where}: {one_line(alike[0].answer)}", style="dim"))
    parts.append(findings.text(result.findings))
    refused = sum(t.outcome == "refused" for t in result.tried)
    bad = any(f.severity == "critical" for f in result.findings)
    said = f"{refused} of {counted(len(result.tried), 'attempt was', 'attempts were')} refused"
    parts.append(Text(f"{said}; something got through, or could not be tried" if bad else said, style="bold"))
    return Group(*parts)
