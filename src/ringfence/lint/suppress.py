"""``ringfence: allow RULE because …``: a person says that a finding is meant, and why (pure).

In a comment on the line itself, or alone on the line before. A suppression without a reason, of a rule that does not
exist, or that suppresses nothing is a finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ringfence.lint.model import Code

_ALLOW = re.compile(
    r"ringfence:\s*allow\b\s*(?P<rule>[\w*-]*)\s*(?:because\b\s*(?P<reason>.*?))?\s*(?:\*/|-->)?\s*$", re.I
)


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """A suppression: its rule, its reason (empty where none was given), the line it stands on and those it covers."""

    rule: str
    reason: str
    line: int
    covers: frozenset[int]


def allowances(code: Code) -> list[Allowance]:
    """Every suppression in a file."""
    found = []
    for comment in code.comments:
        match = _ALLOW.search(comment.text)
        if match:
            covers = {comment.line, comment.line + 1} if comment.alone else {comment.line}
            found.append(
                Allowance(
                    rule=match["rule"], reason=(match["reason"] or "").strip(" ."), line=comment.line,
                    covers=frozenset(covers),
                )
            )  # fmt: skip
    return found


def allowed_by(found: Sequence[Allowance], rule: str, line: int) -> Allowance | None:
    """The suppression that holds for a finding; one without a reason never does."""
    return next((a for a in found if a.rule == rule and a.reason and line in a.covers), None)


def wrong(found: Iterable[Allowance], used: Iterable[Allowance], known: Iterable[str]) -> list[tuple[int, str, str]]:
    """What is wrong with suppressions: line, what is wrong, what to do."""
    mistakes = []
    rules, spent = set(known), set(used)
    for one in found:
        if one.rule not in rules:
            mistakes.append((one.line, f"there is no rule {one.rule or '(none named)'!r}", "--list-rules names them"))
        elif not one.reason:
            mistakes.append((one.line, "a reason is required", f"ringfence: allow {one.rule} because …"))
        elif one not in spent:
            mistakes.append((one.line, f"nothing here breaks {one.rule}", "remove the comment"))
    return mistakes
