"""``lint`` as a user and as other programs call it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.acceptance.project import Project

GOTO = "await page.goto('http://localhost:4545/skus');\n"


@pytest.fixture
def tree(empty: Project) -> Iterator[Project]:
    """A repository with one finding, one file that is ignored by git, and one in node_modules."""
    empty.run("init")
    empty.make_repository()
    for name, text in (
        ("e2e/a.spec.ts", GOTO),
        ("ignored/e2e/b.spec.ts", GOTO),
        ("src/app.ts", "export const x = 1;\n"),
    ):
        path = empty.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with (empty.root / ".gitignore").open("a") as file:
        file.write("ignored/\n")
    yield empty


def test_findings_for_people_and_programs(tree: Project) -> None:
    said = tree.run("lint", code=1).said
    assert "lint/absolute-url e2e/a.spec.ts:1:17 http://localhost:4545/skus" in said
    assert "1 finding in 1 file " in said and "ringfence lint --fix" in said
    document = tree.json("lint", code=1)
    assert document.keys() == {"schema", "findings", "files", "fixed"}
    (finding,) = document["findings"]
    assert finding.keys() == {"rule", "severity", "object", "message", "fix", "evidence", "file", "line", "column"}
    assert (finding["file"], finding["line"], finding["column"]) == ("e2e/a.spec.ts", 1, 17)
    log = json.loads(tree.run("lint", "--format", "sarif", code=1).out)
    (result,) = log["runs"][0]["results"]
    assert result["ruleId"] == "lint/absolute-url"
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1, "startColumn": 17}
    assert result["ruleId"] in {r["id"] for r in log["runs"][0]["tool"]["driver"]["rules"]}
    marked = tree.run("lint", "--format", "github", code=1).out
    assert marked.startswith("::error file=e2e/a.spec.ts,line=1,col=17,title=lint/absolute-url::")


def test_fix_mends_and_leaves_the_rest(tree: Project) -> None:
    script = tree.root / "e2e" / "a.spec.ts"
    script.chmod(0o755)
    done = tree.json("lint", "--fix")
    assert done["fixed"] == ["e2e/a.spec.ts"] and done["findings"] == []
    assert script.read_text() == "await page.goto('/skus');\n"
    assert script.stat().st_mode & 0o777 == 0o755
    assert (tree.root / "ignored/e2e/b.spec.ts").read_text() == GOTO
    assert "can reach production" in tree.run("lint").said


def test_choosing_rules_and_places(tree: Project) -> None:
    tree.run("lint", "--skip", "absolute-url")
    tree.run("lint", "--only", "absolute-url", code=1)
    tree.run("lint", "src")
    tree.run("lint", "e2e/a.spec.ts", code=1)
    assert "there is no rule 'x'" in tree.refused("lint", "--only", "x", code=2)
    assert "there is no nowhere" in tree.refused("lint", "nowhere", code=2)
    assert "there is no format 'xml'" in tree.refused("lint", "--format", "xml", code=2)
    rules = tree.json("lint", "--list-rules")["rules"]
    assert {"absolute-url", "destructive-script"} <= {r["name"] for r in rules}
    assert "why" in rules[0]


def test_files_are_excluded_with_a_reason_only(tree: Project) -> None:
    settings = tree.config.read_text()
    tree.config.write_text(settings + "\n[lint.exclude]\n'e2e/*' = \"made by a generator\"\n")
    tree.run("lint")
    tree.config.write_text(settings + "\n[lint.exclude]\n'e2e/*' = \" \"\n")
    assert "a reason is needed" in tree.refused("lint", code=2)
