"""Files in, findings out (pure but for reading the files).

What cannot be read or parsed is a finding and not silence.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ringfence.findings import Finding
from ringfence.lint import classify, data_code, suppress
from ringfence.lint.model import Code, Edit, Facts, Hit, Language, Rule
from ringfence.lint.rules import RULES
from ringfence.redact import one_line

LIMIT_BYTES = 2 << 20
"""Larger files are data or were made by a program. They are named, so that nobody takes them for looked at."""
UNREADABLE = "unreadable"
SUPPRESSION = "suppression"


@dataclass(frozen=True, kw_only=True)
class Linted:
    """The findings of all files, the edits that would mend some of them, and how much was looked at."""

    findings: tuple[Finding, ...]
    edits: dict[str, tuple[Edit, ...]]
    files: int
    lines: int
    allowed: int


def lint(root: Path, paths: Iterable[str], facts: Facts, rules: Sequence[Rule] = RULES) -> Linted:
    """Look at files, by their paths from ``root``; those in no language that rules read are passed over."""
    findings: list[Finding] = []
    edits: dict[str, tuple[Edit, ...]] = {}
    files = lines = allowed = 0
    for path in paths:
        language = classify.language_of(path)
        if language is None:
            continue
        code = _load(root, path, language)
        if code is None:
            continue
        files += 1
        lines += code.source.count(b"\n") + 1
        found, mends, spared = check(code, facts, rules)
        findings += found
        allowed += spared
        if mends:
            edits[path] = tuple(mends)
    return Linted(findings=tuple(findings), edits=edits, files=files, lines=lines, allowed=allowed)


def parse(path: str, source: bytes, language: Language) -> Code:
    """A file as rules see it."""
    # Grammars are loaded only where a file needs them.
    if language in ("typescript", "javascript"):
        from ringfence.lint import javascript_code

        return javascript_code.read(path, source, language)
    if language == "python":
        from ringfence.lint import python_code

        return python_code.read(path, source)
    if language == "shell":
        from ringfence.lint import shell_code

        return shell_code.read(path, source)
    return data_code.READERS[language](path, source)


def check(code: Code, facts: Facts, rules: Sequence[Rule] = RULES) -> tuple[list[Finding], list[Edit], int]:
    """The findings of one file, the edits that mend some, and how many findings a person has allowed."""
    if code.problem:
        return [_unreadable(code.path, code.problem, code.problem_line)], [], 0
    findings, edits = [], []
    allowances = suppress.allowances(code)
    used = []
    for rule in rules:
        for hit in rule.check(code, facts):
            reason = suppress.allowed_by(allowances, rule.name, hit.place.line)
            if reason:
                used.append(reason)
                continue
            findings.append(_finding(code, rule, hit))
            if hit.edit:
                edits.append(hit.edit)
    # With some rules left out nobody can say that a suppression is not needed.
    everything = len(rules) == len(RULES)
    for line, what, fix in suppress.wrong(allowances, used if everything else allowances, (r.name for r in RULES)):
        findings.append(
            Finding(
                rule=f"lint/{SUPPRESSION}", severity="medium", object=f"line {line}", message=what, fix=fix,
                file=code.path, line=line, column=1,
            )
        )  # fmt: skip
    return findings, edits, len(used)


def _load(root: Path, path: str, language: Language) -> Code | None:
    try:
        descriptor = os.open(root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode):
                return None
            if info.st_size > LIMIT_BYTES:
                return Code(
                    path=path, language=language, source=b"", problem=f"it is larger than {LIMIT_BYTES >> 20} MiB"
                )
            source = file.read()
    except OSError as error:
        return Code(path=path, language=language, source=b"", problem=f"it cannot be read: {error.strerror or error}")
    if b"\0" in source[:8192]:
        return Code(path=path, language=language, source=b"", problem="it is no text")
    try:
        return parse(path, source.removeprefix(b"\xef\xbb\xbf"), language)
    except RecursionError:
        return Code(path=path, language=language, source=b"", problem="it is nested too deeply")


def _unreadable(path: str, problem: str, line: int) -> Finding:
    return Finding(
        rule=f"lint/{UNREADABLE}",
        severity="medium",
        object=path.rpartition("/")[2],
        message=f"this file was not looked at: {problem}",
        fix="repair it, or exclude it with a reason under [lint.exclude] in ringfence.toml",
        file=path,
        line=line,
        column=1,
    )


def _finding(code: Code, rule: Rule, hit: Hit) -> Finding:
    lines = code.source.split(b"\n")
    seen = lines[hit.place.line - 1].decode("utf-8", "replace").strip()[:200] if hit.place.line <= len(lines) else None
    # A line with a password in it is not shown: what offends is, with the password masked.
    return Finding(
        rule=f"lint/{rule.name}",
        severity=hit.severity or rule.severity,
        object=one_line(hit.text),
        message=hit.message,
        fix=hit.fix,
        evidence=None if rule.name == "production-credentials" else seen,
        file=code.path,
        line=hit.place.line,
        column=hit.place.column,
    )
