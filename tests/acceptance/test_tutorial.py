"""docs/tutorial.md: every block of it, in order, as somebody who follows it word by word."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.project import SYSTEM_PATH, Project, new_project, programs

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
NOT_HERE = ("pip install", "mkdir shop", "--open")


@pytest.fixture
def place() -> Iterator[Project]:
    """An empty directory, ports of its own instead of the page's, nothing but the command and psql on PATH."""
    with new_project() as project:
        path = [str(Path(sys.executable).parent), str(programs().directory), SYSTEM_PATH]
        project.environment["PATH"] = ":".join(path)
        project.environment["PGPASSFILE"] = str(project.pgpass)
        yield project


def blocks() -> list[tuple[str, str]]:
    """The language and the text of each block."""
    return re.findall(r"^```(sh|toml)\n(.*?)^```", PAGE.read_text(), flags=re.S | re.M)


def ported(project: Project, text: str) -> str:
    return text.replace("4546", str(project.ports["production"])).replace("2346", str(project.ports["test"]))


def bash(project: Project, script: str, *, code: int = 0) -> str:
    done = subprocess.run(
        ["bash", "-ec", script],
        cwd=project.root,
        env=project.environment,
        capture_output=True,
        timeout=300,
        check=False,
    )
    said = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == code, f"{script}\n{said}"
    return said


def test_word_by_word(place: Project) -> None:
    said = bash(place, "git init -q -b main")
    run = "RUN"
    for language, block in blocks():
        if language == "toml":
            with place.config.open("a") as file:
                file.write(f"\n{block}")
            continue
        for script, code in commands(block):
            if script.startswith(NOT_HERE) or script.endswith(NOT_HERE) or script.startswith("export PGPASSFILE"):
                continue
            script = script.replace(" RUN ", f" {run} ")
            said = bash(place, ported(place, script), code=code)
            named = re.search(r"ringfence report (\d{8}T\d{6}Z-[0-9a-f]{6})", said)
            run = named[1] if named else run
            if script.startswith("ringfence init"):
                place.config.write_text(ported(place, place.config.read_text()))
    assert "is resolved" in said
    log = bash(place, "git log --oneline --stat")
    assert "migration.sql" in log and "Add a low-stock limit" in log
    assert bash(place, "ringfence status --require-clear && ringfence verify")


def commands(block: str) -> list[tuple[str, int]]:
    """The commands of a block, each with its exit status; a here-document stays with its command."""
    found: list[tuple[str, int]] = []
    waiting, end = "", ""
    for line in block.splitlines():
        waiting += f"{line}\n"
        begins = re.search(r"<<'(\w+)'", line)
        end = begins[1] if begins else end
        if end and line != end:
            continue
        end = ""
        exits = re.search(r"# exit (\d+)$", line)
        found.append((waiting.strip().partition("   #")[0].strip(), int(exits[1]) if exits else 0))
        waiting = ""
    return found
