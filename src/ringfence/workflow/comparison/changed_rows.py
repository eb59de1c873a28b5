"""The rows of production that a run found changed, as its journal keeps them (pure): few, short, secrets masked.

The journal outlives the damage: a page that is read after the repair still says what was done to which row. These are
values of production, so they are bounded, the masks of ``diff`` hold here too, and columns whose name says that they
hold a secret are masked although nobody asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ringfence.config.names import ColumnName
from ringfence.integrity.model import TableName
from ringfence.integrity.rowpairs import Change
from ringfence.integrity.rowvalues import RowDifference, TableDifference, Values, json_value
from ringfence.redact import MASK, redact

READ_ROWS = 200
"""How many rows of a table are read, so that the worst of them can be chosen."""
MOST_TABLES = 12
MOST_ROWS = 20
MOST_COLUMNS = 24
MOST_CHARS = 160

_WORST_FIRST: Mapping[Change, int] = {"delete": 0, "update": 1, "insert": 2}
_SECRET = re.compile(
    r"pass(?:word|wd|phrase)|secret|token|api_?key|private_?key|credential|cookie|salt", re.IGNORECASE | re.ASCII
)


def document(
    differences: Sequence[TableDifference],
    *,
    masks: Sequence[ColumnName],
    growing: frozenset[TableName],
    live: frozenset[TableName] = frozenset(),
) -> dict[str, Any]:
    """What the journal keeps: ``{"tables": [{schema, name, status, live, key, inserted, updated, deleted, rows, more}],
    "more_tables"}``, each row as ``{"key", "change", "before", "after"}``.

    An updated row has the columns that changed, any other row its first `MOST_COLUMNS`. Of tables in ``growing`` new
    rows are normal and not shown; in those in ``live`` the application's own changes are among the rows. Deleted rows
    come first, then updated ones.
    """
    tables = [
        _table(one, masks, skip_inserts=one.table in growing) | {"live": one.table in live}
        for one in differences[:MOST_TABLES]
    ]
    return {"tables": tables, "more_tables": max(0, len(differences) - MOST_TABLES)}


def _table(one: TableDifference, masks: Sequence[ColumnName], *, skip_inserts: bool) -> dict[str, Any]:
    rows = [row for row in one.rows if not (skip_inserts and row.change == "insert")]
    shown = sorted(rows, key=lambda row: _WORST_FIRST[row.change])[:MOST_ROWS]
    counted = one.counts.updated + one.counts.deleted + (0 if skip_inserts else one.counts.inserted)
    hidden = frozenset(c for c in one.types if _is_hidden(c, one.table, masks))
    return {
        "schema": one.table.schema,
        "name": one.table.name,
        "status": one.status,
        "key": list(one.key),
        "inserted": one.counts.inserted,
        "updated": one.counts.updated,
        "deleted": one.counts.deleted,
        "rows": [_row(row, one, hidden) for row in shown],
        "more": counted - len(shown),
    }


def _row(row: RowDifference, one: TableDifference, hidden: frozenset[str]) -> dict[str, Any]:
    whole = row.before if row.before is not None else row.after
    assert whole is not None
    if row.change == "update":
        columns = row.changed_columns()
    else:
        columns = tuple(c for c in whole if c not in one.key)
    columns = columns[:MOST_COLUMNS]

    def values(found: Values | None) -> dict[str, Any] | None:
        return None if found is None else {c: _value(found[c], one.types[c], c in hidden) for c in columns}

    return {
        "key": {c: _value(whole[c], one.types[c], c in hidden) for c in one.key},
        "change": row.change,
        "before": values(row.before),
        "after": values(row.after),
    }


def _value(text: str | None, type_: str | None, hidden: bool) -> Any:
    """A value for JSON, masked, short; NULL is null even where it is hidden."""
    if text is None:
        return None
    if hidden:
        return MASK
    value = json_value(text, type_)
    if not isinstance(value, str):
        return value
    shown = redact(value[: 4 * MOST_CHARS])
    return shown if len(value) <= MOST_CHARS else f"{shown[:MOST_CHARS]}… ({len(value):,} characters)"


def _is_hidden(column: str, table: TableName, masks: Sequence[ColumnName]) -> bool:
    return bool(_SECRET.search(column)) or any(m.matches(table.schema, table.name, column) for m in masks)
