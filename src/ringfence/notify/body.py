"""The text of a comment, in GitHub's Markdown (pure).

What stands in it comes from a database, a repository and agents: it is put between backquotes or escaped, so that it
can mention nobody, link nowhere and close no table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.redact import one_line, redact

LIMIT = 60_000
"""GitHub refuses bodies of more than 65,536 characters."""
_MOST_REASONS = 20


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """One step of the run: its name, its outcome (``running`` while it goes on), the time it took, what it noted."""

    name: str
    outcome: str
    took: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Story:
    """A run, in words that are ready to be shown. ``headline`` is the verdict in a few words, ``mark`` its sign."""

    run_id: str
    headline: str
    task: str
    steps: Sequence[StepLine]
    reasons: Sequence[str]
    next_steps: Sequence[str]


def progress(story: Story) -> str:
    """The comment that a run keeps up to date."""
    lines = [f"### Ringfence: {_plain(story.headline)}", ""]
    if story.task:
        lines += [f"Task: {code(story.task[:200])}", ""]
    if story.steps:
        lines += ["| step | outcome | time | |", "| --- | --- | ---: | --- |"]
        lines += [f"| {_cell(s.name)} | {_plain(s.outcome)} | {s.took} | {_cell(s.note)} |" for s in story.steps]
        lines.append("")
    return _whole([*lines, *_reasons(story.reasons), *_next(story.next_steps), _signature(story.run_id)])


def alarm(story: Story) -> str:
    """A comment of its own for what a person must see now: editing an old comment notifies nobody."""
    lines = [f"### {_plain(story.headline)}", "", *_reasons(story.reasons), *_next(story.next_steps)]
    return _whole([*lines, _signature(story.run_id)])


def code(text: str) -> str:
    """Text between backquotes, whatever it holds: one more of them than stand in it in a row."""
    shown = redact(one_line(text)).replace("|", "¦") or " "
    longest = run = 0
    for char in shown:
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _cell(text: str) -> str:
    return code(text[:300]) if text else ""


def _plain(text: str) -> str:
    """Words of the tool's own in which a name may stand: every character that means something is escaped."""
    shown = redact(one_line(text))
    for char in "\\`*_{}[]<>()#+-!|~&@":
        shown = shown.replace(char, f"\\{char}" if char not in "<>&@" else f"&#{ord(char)};")
    return shown


def _reasons(reasons: Sequence[str]) -> list[str]:
    shown = [f"- {code(r[:500])}" for r in reasons[:_MOST_REASONS]]
    if len(reasons) > _MOST_REASONS:
        shown.append(f"- and {len(reasons) - _MOST_REASONS} more")
    return [*shown, ""] if shown else []


def _next(steps: Sequence[str]) -> list[str]:
    return ["What to do:", "", *(f"- {code(s)}" for s in steps), ""] if steps else []


def _signature(run_id: str) -> str:
    return f"<sub>Ringfence, run {code(run_id)}</sub>" if run_id else "<sub>Ringfence</sub>"


def _whole(lines: Sequence[str]) -> str:
    text = "\n".join(lines)
    if len(text) <= LIMIT:
        return text
    return text[: LIMIT - 40].rpartition("\n")[0] + "\n\n(the rest is cut off)"
