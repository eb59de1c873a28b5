"""Findings of ``lint`` in the forms that other programs read (pure): SARIF 2.1.0 and GitHub's annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import ringfence
from ringfence.findings import Finding, Severity, by_severity
from ringfence.lint.model import Rule

_LEVELS: dict[Severity, str] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
    "info": "note",
}
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def sarif(findings: Sequence[Finding], rules: Sequence[Rule]) -> str:
    """A log as code scanning takes it."""
    results: list[dict[str, Any]] = [
        {
            "ruleId": f.rule,
            "level": _LEVELS[f.severity],
            "message": {"text": f"{f.message}: {f.object}. {f.fix or ''}".strip()},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": f.file or "", "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": f.line or 1, "startColumn": f.column or 1},
                    }
                }
            ],
        }
        for f in by_severity(findings)
    ]
    described = [
        {
            "id": f"lint/{r.name}",
            "shortDescription": {"text": r.summary},
            "fullDescription": {"text": r.why},
            "defaultConfiguration": {"level": _LEVELS[r.severity]},
        }
        for r in rules
    ]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "ringfence", "version": ringfence.__version__, "rules": described}},
                "results": results,
            }
        ],
    }
    return json.dumps(log, ensure_ascii=False, indent=1)


def github(findings: Sequence[Finding]) -> str:
    """Lines by which GitHub Actions marks the places in a pull request."""
    return "".join(
        f"::{_COMMANDS[_LEVELS[f.severity]]} file={_property(f.file or '')},line={f.line or 1},col={f.column or 1},"
        f"title={_property(f.rule)}::{_data(f'{f.message}: {f.object}. {f.fix or str()}')}\n"
        for f in by_severity(findings)
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
