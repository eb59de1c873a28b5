"""What a check found: one shape for every room that looks for trouble (check, roles, lint, agents, attack).

The rooms do not know each other, so what they share lies down here. How findings are shown is the report's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

Severity = Literal["critical", "high", "medium", "low", "info"]
"""``critical``: production can be lost through this. ``info``: evidence that something holds, or a remark; no exit
status ever depends on it."""

_ORDER = {name: number for number, name in enumerate(get_args(Severity))}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, with what a person needs to judge and to mend it.

    ``rule`` is the stable name that documentation and suppressions use (``roles/public-connect``). ``object`` is what
    it was found on, as a person would write it. ``evidence`` is what was seen or the query that shows it, ``fix`` the
    command, SQL or text that mends it. ``line`` and ``column`` count from 1.
    """

    rule: str
    severity: Severity
    object: str
    message: str
    fix: str | None = None
    evidence: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The object in ``findings`` of ``--json``; file, line and column only where there is a file."""
        document: dict[str, Any] = {
            "rule": self.rule,
            "severity": self.severity,
            "object": self.object,
            "message": self.message,
            "fix": self.fix,
        }
        if self.evidence is not None:
            document["evidence"] = self.evidence
        if self.file is not None:
            document |= {"file": self.file, "line": self.line, "column": self.column}
        return document


def at_least(findings: Iterable[Finding], severity: Severity) -> list[Finding]:
    """The findings of this severity or a worse one, in the order given."""
    return [f for f in findings if _ORDER[f.severity] <= _ORDER[severity]]


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first; within a severity by rule, file, line, column and object."""
    return sorted(
        findings, key=lambda f: (_ORDER[f.severity], f.rule, f.file or "", f.line or 0, f.column or 0, f.object)
    )
