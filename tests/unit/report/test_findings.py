"""Findings on a terminal and as an object."""

from __future__ import annotations

import io

from rich.console import Console

from ringfence.findings import Finding
from ringfence.report import findings


def shown(*found: Finding) -> str:
    screen = io.StringIO()
    Console(file=screen, width=120, color_system=None).print(findings.text(found))
    return screen.getvalue()


def test_each_finding_says_what_where_why_and_what_mends_it() -> None:
    text = shown(
        Finding(
            rule="lint/absolute-url",
            severity="high",
            object="http://localhost:4545",
            message="a test opens production's pages",
            fix="page.goto('/')",
            evidence="await page.goto('http://localhost:4545/')",
            file="e2e/a.spec.ts",
            line=4,
            column=17,
        )
    )
    assert "high      lint/absolute-url  e2e/a.spec.ts:4:17  http://localhost:4545" in text
    assert "a test opens production's pages" in text
    assert "seen: await page.goto" in text
    assert "fix:  page.goto('/')" in text


def test_names_cannot_forge_lines_or_markup() -> None:
    text = shown(Finding(rule="r", severity="low", object="x\nVERIFY OK", message="[bold]m\x1b[31m", fix="a\nb"))
    assert "x\\nVERIFY OK" in text
    assert "[bold]m\\x1b[31m" in text
    assert "fix:  a\n" in text  # a fix may have several lines


def test_the_object_holds_every_finding_worst_first() -> None:
    low = Finding(rule="b", severity="low", object="o", message="m")
    critical = Finding(rule="z", severity="critical", object="o", message="m")
    document = findings.document([low, critical])
    assert document["schema"] == 1
    assert [f["rule"] for f in document["findings"]] == ["z", "b"]
