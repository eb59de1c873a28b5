"""Rows that differ, as a person reads them on a terminal (pure). Names and values are put on one line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ringfence import clock
from ringfence.config.names import ColumnName
from ringfence.integrity.compare import table_text
from ringfence.integrity.model import RowChanges, TableRule
from ringfence.integrity.rowvalues import TableDifference
from ringfence.redact import one_line
from ringfence.report.diff_view import ShownRow, column_notes, shown_rows, useless
from ringfence.wording import counted
from ringfence.workflow.comparison.diff import Diffed

WIDTH = 60
_SIGNS = {"insert": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}


def diffed(result: Diffed, masks: Sequence[ColumnName]) -> RenderableType:
    """All tables with their rows, what else differs, and what to do about it."""
    took = f"against {result.backup}, {clock.seconds_text(result.seconds)}"
    if not result.tables:
        parts: list[RenderableType] = [
            Text.assemble(("NO ROW DIFFERS", "bold green"), f"  {took}; {counted(result.compared, 'table')} compared")
        ]
    else:
        rows = sum(t.counts.inserted + t.counts.updated + t.counts.deleted for t in result.tables)
        heading = f"{counted(rows, 'ROW', 'ROWS')} {'DIFFERS' if rows == 1 else 'DIFFER'}"
        parts = [Text.assemble((heading, "bold red"), f"  in {counted(len(result.tables), 'table')}, {took}")]
    for table in result.tables:
        parts += _table(table, result.rules.get(table.table), masks)
    if result.other:
        parts.append(Text(f"besides rows {len(result.other)} differ: {_others(result)}; 'ringfence verify' says how"))
    for mask in useless(masks, result):
        parts.append(Text(f"the mask {mask} is the name of no column of these tables", style="yellow"))
    if result.tables:
        parts.append(
            Text("Put back the old rows: 'ringfence repair' shows the SQL, 'ringfence repair --apply' runs it.")
        )
    return Group(*parts)


def counts_text(counts: RowChanges) -> str:
    """``2 updated, 1 deleted``"""
    words = ((counts.inserted, "inserted"), (counts.updated, "updated"), (counts.deleted, "deleted"))
    return ", ".join(f"{n:,} {word}" for n, word in words if n) or "no row differs"


def status_text(table: TableDifference, rule: TableRule | None) -> str:
    """What else must be known about a table to read its rows rightly."""
    notes = []
    if table.status != "compared":
        notes.append(f"the table was {table.status}")
    elif not table.key:
        notes.append("no key: a changed row is one deleted and one inserted")
    if rule is not None and rule.rule == "append-only":
        notes.append("append-only: new rows are allowed")
    if rule is not None and rule.rule == "live":
        notes.append("live: the application may insert and update")
    if rule is not None and rule.rule == "ignore":
        notes.append(f"ignored: {one_line(rule.reason or 'no reason given')}")
    return "; ".join(notes)


def _table(table: TableDifference, rule: TableRule | None, masks: Sequence[ColumnName]) -> list[RenderableType]:
    status = status_text(table, rule)
    parts: list[RenderableType] = [
        Text.assemble(
            (table_text(table.table), "bold"),
            f"  {counts_text(table.counts)}",
            (f"  ({status})" if status else "", "dim"),
        )
    ]
    parts += [Text(f"  {note}", style="yellow") for note in column_notes(table)]
    parts += [_row(row) for row in shown_rows(table, masks, width=WIDTH)]
    if table.more:
        parts.append(Text(f"  and {table.more:,} more; --limit shows more of them", style="dim"))
    return parts


def _row(row: ShownRow) -> Text:
    sign, style = _SIGNS[row.change]
    line = Text.assemble((f"  {sign} ", f"bold {style}"))
    line.append(", ".join(f"{column} {text}" for column, text in row.key))
    for number, cell in enumerate(row.cells):
        line.append("  " if number or row.key else "")
        line.append(f"{cell.column} ", style="dim")
        if cell.before is not None and cell.after is not None:
            line.append(cell.before, style="red")
            line.append(" → ")
            line.append(cell.after, style="green")
        else:
            line.append(cell.before if cell.before is not None else cell.after or "")
        if cell.is_masked and cell.is_changed:
            line.append(" (changed)", style="dim")
    return line


def _others(result: Diffed) -> str:
    found = [f"{o.kind} {one_line(o.object)}" for o in result.other or ()]
    return ", ".join(found[:3]) + (", …" if len(found) > 3 else "")
