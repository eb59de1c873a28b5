"""What of a difference is shown, and how a value is written (pure): the same for terminal, page and JSON.

Masks are applied here and nowhere else, so that no way of showing a difference can forget them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ringfence.config.names import ColumnName
from ringfence.integrity.model import TableName
from ringfence.integrity.rowpairs import Change
from ringfence.integrity.rowvalues import RowDifference, TableDifference, Values, json_value
from ringfence.redact import MASK, one_line
from ringfence.workflow.comparison.diff import Diffed

NULL = "NULL"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One column of a row: its text before and after, on one line. ``None`` means that there is no such row."""

    column: str
    before: str | None
    after: str | None
    is_masked: bool

    @property
    def is_changed(self) -> bool:
        """Whether the row was updated in this column."""
        return self.before is not None and self.after is not None


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    """One row: what it is called by, and the columns that matter: those that changed, or all of a row that came or
    went. For a table without a key ``key`` is empty and all columns are in ``cells``."""

    change: Change
    key: tuple[tuple[str, str], ...]
    cells: tuple[Cell, ...]


def is_masked(masks: Sequence[ColumnName], table: TableName, column: str) -> bool:
    """Whether the values of a column may not be shown."""
    return any(m.matches(table.schema, table.name, column) for m in masks)


def useless(masks: Sequence[ColumnName], result: Diffed) -> tuple[ColumnName, ...]:
    """Masks that match no column of any table: mistyped, most likely."""
    return tuple(m for m in masks if not any(m.matches(t.schema, t.name, c) for t, c in result.columns))


def shown_rows(difference: TableDifference, masks: Sequence[ColumnName], *, width: int) -> tuple[ShownRow, ...]:
    """The rows of a table as a person reads them; texts longer than ``width`` are cut around what differs."""
    hidden = {c for c in difference.types if is_masked(masks, difference.table, c)}
    return tuple(_shown(row, difference.key, hidden, width) for row in difference.rows)


def json_row(row: RowDifference, difference: TableDifference, masks: Sequence[ColumnName]) -> dict[str, Any]:
    """One entry of ``rows`` in what ``diff --json`` prints: whole rows; masked values are ``****`` unless NULL."""

    def values(found: Values | None) -> dict[str, Any] | None:
        if found is None:
            return None
        return {
            column: MASK
            if text is not None and is_masked(masks, difference.table, column)
            else json_value(text, difference.types[column])
            for column, text in found.items()
        }

    before, after = values(row.before), values(row.after)
    whole = after if before is None else before
    assert whole is not None
    return {
        "key": {column: whole[column] for column in difference.key},
        "change": row.change,
        "before": before,
        "after": after,
    }


def column_notes(difference: TableDifference) -> tuple[str, ...]:
    """What about the columns themselves differs, one sentence each."""
    changes = difference.column_changes
    words = ((changes.dropped, "dropped"), (changes.added, "added"), (changes.changed, "has another type now"))
    return tuple(
        f"column {one_line(name)} {word}; rows are compared without it" for names, word in words for name in names
    )


def _shown(row: RowDifference, key: tuple[str, ...], hidden: set[str], width: int) -> ShownRow:
    whole = row.before if row.before is not None else row.after
    assert whole is not None
    columns = row.changed_columns() if row.change == "update" else tuple(c for c in whole if c not in key)
    return ShownRow(
        change=row.change,
        key=tuple((one_line(c), _text(whole[c], c in hidden, width)) for c in key),
        cells=tuple(_cell(row, c, c in hidden, width) for c in columns),
    )


def _cell(row: RowDifference, column: str, hidden: bool, width: int) -> Cell:
    before = row.before[column] if row.before is not None else None
    after = row.after[column] if row.after is not None else None
    old = _text(before, hidden, None) if row.before is not None else None
    new = _text(after, hidden, None) if row.after is not None else None
    if old is not None and new is not None:
        old, new = around_difference(old, new, width)
    else:
        old, new = (None if t is None else cut(t, width) for t in (old, new))
    return Cell(column=one_line(column), before=old, after=new, is_masked=hidden)


def _text(value: str | None, hidden: bool, width: int | None) -> str:
    if value is None:
        return NULL
    if hidden:
        return MASK
    # A text that reads NULL, is empty or begins with a space would be taken for something else.
    plain = bool(value) and value not in (NULL, MASK) and value == value.strip()
    text = one_line(value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    shown = text if plain else f"'{text}'"
    return shown if width is None else cut(shown, width)


def cut(text: str, width: int) -> str:
    """A text of at most ``width`` characters, with how much was left out."""
    return text if len(text) <= width else f"{text[: max(1, width - 1)]}… ({len(text):,} characters)"


def around_difference(before: str, after: str, width: int) -> tuple[str, str]:
    """Two texts, both cut to the part that differs where one is longer than ``width``."""
    if max(len(before), len(after)) <= width:
        return before, after
    same = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), None)
    start = max(0, (min(len(before), len(after)) if same is None else same) - width // 4)
    head = "…" if start else ""
    return head + cut(before[start:], width), head + cut(after[start:], width)
