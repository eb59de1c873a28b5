"""``backup list`` on terminals of several widths."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.unit.backup.stage import START, Stage

from ringfence.backup.marks import Marks
from ringfence.backup.model import Entry, Kept
from ringfence.report.backups import backups

SHORT, LONG = "inventory", "customer_relationship_management_eu_2"


def entry(tmp_path: Path, name: str, *, problem: str | None = None, **changes: Any) -> Entry:
    manifest = Stage.at(tmp_path).manifest(name, b"x" * 35_100, baseline={"tables": [1] * 131})
    path = tmp_path / name
    return Entry(id=name, manifest=manifest, manifest_path=path, dump_path=path, problem=problem, **changes)


def shown(width: int, *arguments: Any) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(backups(*arguments))
    return capture.get()


@pytest.mark.parametrize("database", [SHORT, LONG])
@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_name_and_no_time_is_folded(tmp_path: Path, database: str, width: int) -> None:
    names = [f"{database}_backup_{issue}_20261125T002006Z" for issue in ("7", "manual", "8")]
    entries = [
        entry(tmp_path, names[0], marks=Marks(proven_at=dt.datetime(2026, 11, 25, tzinfo=dt.UTC))),
        entry(tmp_path, names[1], problem="its dump has 3 bytes, the manifest says 35100"),
        entry(tmp_path, names[2]),
    ]
    kept = [Kept(id=names[0], reason="newest; the newest proven one; the baseline of a run that is not closed")]
    text = shown(width, entries, kept, ["notes.txt"], "/x", frozenset([names[0]]), None)
    lines = [line.rstrip() for line in text.splitlines()]
    for name in names:
        if len(name) <= width:
            assert sum(name in line for line in lines) == 1
    assert sum(f"{START:%Y-%m-%d %H:%M:%S}" in line for line in lines) == 3
    assert len(lines) <= 3 * 4 + 4 and max(map(len, lines)) <= width
    flat = " ".join(text.split())
    assert "goes next; NOT in the mirror" in flat and "in the mirror: 1 of 3" in flat
    assert flat.count("proven; ") >= 1 and "left alone: notes.txt" in flat and "35.1 kB" in flat
    assert ("made (UTC)" in text) == (width >= len(max(names, key=len)) + 85)


def test_what_others_wrote_stays_on_its_line(tmp_path: Path) -> None:
    found = Entry(id="a\nb[red]", manifest=None, manifest_path=tmp_path, dump_path=None, problem="gone\x1b[2J\nx")
    text = shown(80, [found], [], ["x\ny"], "/x", frozenset(["only[b]there"]), None)
    assert text.count("\n") == 5 and "\x1b" not in text and "a\\nb[red]" in text and "only[b]there" in text


def test_no_backup_and_a_mirror_that_cannot_be_looked_at(tmp_path: Path) -> None:
    assert "backup create" in shown(80, [], [], [], "/x", None, None)
    found = [entry(tmp_path, "b1")]
    text = shown(80, found, [], [], "/x", frozenset(), "no route")
    assert "the mirror cannot be looked at: no route" in text and "NOT in" not in text and "in the mirror:" not in text
