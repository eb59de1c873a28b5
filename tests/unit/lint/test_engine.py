"""Files that cannot be looked at, suppressions, fixes, places, speed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.unit.lint.test_rules import FACTS

from ringfence.findings import Finding
from ringfence.lint import engine, fix
from ringfence.lint.engine import Linted

GOTO = "await page.goto('http://localhost:4545/skus');"


def lint(root: Path, files: dict[str, str | bytes]) -> Linted:
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return engine.lint(root, sorted(files), FACTS)


def one(linted: Linted) -> Finding:
    (finding,) = linted.findings
    return finding


def test_a_finding_says_where_what_why_and_what_instead(tmp_path: Path) -> None:
    finding = one(lint(tmp_path, {"e2e/a.spec.ts": f"// first\n  {GOTO}\n"}))
    assert (finding.rule, finding.file, finding.line, finding.column) == ("lint/absolute-url", "e2e/a.spec.ts", 2, 19)
    assert finding.object == "http://localhost:4545/skus"
    assert finding.evidence == GOTO
    assert "'/skus'" in (finding.fix or "")


@pytest.mark.parametrize(
    ("name", "source", "problem"),
    [
        ("e2e/a.spec.ts", "const = = ;", "syntax error"),
        ("a.py", "def f(:\n", "syntax error"),
        ("run.sh", "if then fi (", "syntax error"),
        ("a.yaml", "a: [1, 2\nb: }", "no YAML"),
        ("a.json", '{"a": }', "no JSON"),
        ("pyproject.toml", "a = = 1", "no TOML"),
        ("e2e/b.spec.ts", b"\x00\x01\x02", "no text"),
        ("e2e/c.spec.ts", b"x" * (engine.LIMIT_BYTES + 1), "larger than 2 MiB"),
        ("a2.json", "[" * 100_000, ""),
    ],
)
def test_what_cannot_be_looked_at_is_a_finding(tmp_path: Path, name: str, source: str | bytes, problem: str) -> None:
    finding = one(lint(tmp_path, {name: source}))
    assert finding.rule == "lint/unreadable"
    assert "was not looked at" in finding.message and problem in finding.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_closed_file_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "a.py").chmod(0)
    assert "cannot be read" in one(engine.lint(tmp_path, ["a.py"], FACTS)).message


def test_a_file_that_is_gone_is_a_finding(tmp_path: Path) -> None:
    assert "cannot be read" in one(engine.lint(tmp_path, ["a.py"], FACTS)).message


def test_a_suppression_needs_a_reason(tmp_path: Path) -> None:
    allowed = f"{GOTO} // ringfence: allow absolute-url because the login page is another host\n"
    above = f"// ringfence: allow absolute-url because it is the point of this test\n{GOTO}\n"
    linted = lint(tmp_path, {"e2e/a.spec.ts": allowed, "e2e/b.spec.ts": above})
    assert linted.findings == () and linted.allowed == 2

    bare = lint(tmp_path, {"e2e/c.spec.ts": f"{GOTO} // ringfence: allow absolute-url\n"})
    assert sorted(f.rule for f in bare.findings) == ["lint/absolute-url", "lint/suppression"]
    assert any("a reason is required" in f.message for f in bare.findings)


def test_a_suppression_covers_one_rule_and_one_line(tmp_path: Path) -> None:
    other = f"// ringfence: allow production-address because so\n{GOTO}\n"
    assert sorted(f.rule for f in lint(tmp_path, {"e2e/a.spec.ts": other}).findings) == [
        "lint/absolute-url",
        "lint/suppression",
    ]
    far = f"// ringfence: allow absolute-url because so\n\n{GOTO}\n"
    assert "lint/absolute-url" in {f.rule for f in lint(tmp_path, {"e2e/a.spec.ts": far}).findings}


def test_a_suppression_that_does_nothing_is_named(tmp_path: Path) -> None:
    finding = one(lint(tmp_path, {"e2e/a.spec.ts": "// ringfence: allow absolute-url because of history\n"}))
    assert "nothing here breaks absolute-url" in finding.message
    finding = one(lint(tmp_path, {"e2e/a.spec.ts": "// ringfence: allow everything because I say so\n"}))
    assert "there is no rule 'everything'" in finding.message


def test_every_language_of_comments_can_allow(tmp_path: Path) -> None:
    linted = lint(
        tmp_path,
        {
            "tests/test_a.py": "PORT = 4546  # ringfence: allow production-address because it is only printed\n",
            "scripts/a.sh": "# ringfence: allow destructive-script because it asks first\ndropdb inventory\n",
            "tests/a.yaml": "# ringfence: allow production-address because a document\nurl: postgresql://u@localhost:4546/x\n",
            "tests/.env.test": "PGPORT=4546 # ringfence: allow production-address because of a tunnel\n",
        },
    )
    assert linted.findings == () and linted.allowed == 4


def test_fixes_change_the_origin_and_nothing_else(tmp_path: Path) -> None:
    source = (
        "const a = 'x';\r\nawait page.goto('http://localhost:4545/skus?x=1#é');\r\n"
        'await page.goto(`http://127.0.0.1:2345`);\r\nawait page.goto("http://localhost:4545/" + id);\r\n'
    )
    linted = lint(tmp_path, {"e2e/a.spec.ts": source})
    mended = fix.apply(source.encode(), linted.edits["e2e/a.spec.ts"]).decode()
    assert mended == (
        "const a = 'x';\r\nawait page.goto('/skus?x=1#é');\r\n"
        'await page.goto(`/`);\r\nawait page.goto("http://localhost:4545/" + id);\r\n'
    )
    assert len(linted.findings) == 3


def test_no_password_is_shown(tmp_path: Path) -> None:
    linted = lint(tmp_path, {".env": "DATABASE_URL=postgresql://inventory_app:geheim123@127.0.0.1:4546/inventory\n"})
    assert "geheim123" not in str(linted.findings) and linted.findings


def test_hostile_names_and_values_stay_on_one_line(tmp_path: Path) -> None:
    linted = lint(tmp_path, {"tests/a.test.ts": "const u = 'postgresql://u@localhost:4546/a\\u001b[31m\\nVERIFY OK';"})
    assert "\x1b" not in one(linted).object and "\n" not in one(linted).object


def test_constants_are_reported_where_they_are_defined(tmp_path: Path) -> None:
    source = "const BASE = 'http://localhost:4545';\nawait page.goto(BASE + '/a');\nawait page.goto(`${BASE}/b`);\n"
    assert [f.line for f in lint(tmp_path, {"e2e/a.spec.ts": source}).findings] == [1]


def test_a_constant_that_is_defined_by_itself_ends(tmp_path: Path) -> None:
    assert lint(tmp_path, {"e2e/a.spec.ts": "const a = b + 'x'; const b = a + 'y';"}).findings == ()
    assert lint(tmp_path, {"tests/a.py": "a = b + 'x'\nb = a + 'y'\n"}).findings == ()


def test_twenty_thousand_lines_take_about_a_second_of_one_processor(tmp_path: Path) -> None:
    test = "import { test, expect } from '@playwright/test';\n" + "".join(
        f"test('sku {n}', async ({{ page }}) => {{\n  await page.goto('/skus/{n}');\n"
        f"  await expect(page.getByText(`SKU ${{{n}}}`)).toBeVisible();\n  const total = {n} + 4545;\n"
        f"  expect(total).toBe({n + 4545});\n}});\n\n"
        for n in range(70)
    )
    files: dict[str, str | bytes] = {f"e2e/test{n}.spec.ts": test for n in range(40)}
    lint(tmp_path, {"e2e/warm.spec.ts": test})
    began = time.process_time()
    linted = lint(tmp_path, files)
    took = time.process_time() - began
    assert linted.lines >= 19_000 and linted.findings == ()
    print(f"{linted.lines} lines in {took:.2f} s of processor time")
    assert took < 3, "the goal is 1 s on an idle machine; this is what a loaded one may take"
