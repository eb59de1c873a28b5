"""A restore as a person and a program get to see it (pure)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ringfence import clock, files
from ringfence.backup.model import Entry
from ringfence.redact import one_line
from ringfence.report.schema import SCHEMA
from ringfence.wording import counted
from ringfence.workflow.backups.restore import Restored
from ringfence.workflow.project import Project


def question(entry: Entry, project: Project, now: dt.datetime) -> str:
    """What is about to happen, before a person confirms it."""
    manifest = entry.manifest
    assert manifest is not None
    tables = manifest.baseline.get("tables", [])
    rows = sum(t.get("rows", 0) for t in tables)
    age = clock.seconds_text(max(0.0, (now - manifest.created_at).total_seconds()))
    proven = "a restore of it was found equal before" if entry.is_proven else "it was never restored yet"
    return (
        f"{one_line(project.database('production'))} will become {entry.id}: made {age} ago, "
        f"{counted(len(tables), 'table')}, {counted(rows, 'row')}, {files.bytes_text(manifest.size_bytes)}; {proven}. "
        "What was written since is not in it; the database as it is now stays beside it under another name."
    )


def text(result: Restored) -> RenderableType:
    """What was done, and what a person does next."""
    lines: list[RenderableType] = [
        Text.assemble(("PRODUCTION RESTORED", "bold green"), f"  {one_line(result.database)} is {result.backup}"),
        Text(
            f"  {counted(result.tables, 'table')}, {counted(result.rows, 'row')}, equal row for row; "
            f"owner, rights and settings read back; {clock.seconds_text(result.seconds)}"
        ),
    ]
    if result.damaged:
        lines.append(Text(f"  the damaged database is kept as {one_line(result.damaged)}; only superusers get in"))
    if result.backup_of_damaged:
        lines.append(Text(f"  its backup: {result.backup_of_damaged}", style="dim"))
    if result.new_baseline:
        lines.append(Text(f"  new baseline: {result.new_baseline}; 'ringfence verify' compares with it"))
    lines += [Text(f"  - {one_line(note)}", style="yellow") for note in result.notes]
    return Group(*lines)


def document(result: Restored) -> dict[str, Any]:
    """``restore --json``."""
    return {
        "schema": SCHEMA,
        "backup": result.backup,
        "database": result.database,
        "damaged": result.damaged,
        "backup_of_damaged": result.backup_of_damaged,
        "new_baseline": result.new_baseline,
        "tables": result.tables,
        "rows": result.rows,
        "run": result.run_id,
        "roles_made": list(result.roles_made),
        "notes": list(result.notes),
        "seconds": round(result.seconds, 3),
    }
