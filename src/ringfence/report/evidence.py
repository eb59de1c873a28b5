"""Of a run's journal: the rows that were found changed, and what agents were refused, ready to be printed (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ringfence.journal.model import RunState
from ringfence.redact import MASK, one_line, quote_ident, redact

_WORDS = {"insert": "inserted", "update": "changed", "delete": "deleted"}
_STATUS = {"created": "the table is new", "dropped": "the table is gone"}
_BY = {"guard": "guard", "sandbox": "sandbox"}


@dataclass(frozen=True, kw_only=True)
class ChangedCell:
    """One column of a row; ``before`` or ``after`` is None where there is no such row."""

    column: str
    before: str | None
    after: str | None

    @property
    def is_masked(self) -> bool:
        """Whether its values are kept from this page."""
        return MASK in (self.before, self.after)


@dataclass(frozen=True, kw_only=True)
class ChangedRow:
    """One row: the word for what happened to it, its key, and the columns that matter."""

    change: str
    word: str
    key: tuple[tuple[str, str], ...]
    cells: tuple[ChangedCell, ...]


@dataclass(frozen=True, kw_only=True)
class ChangedTable:
    """The rows of one table that the journal holds; ``more`` is how many differ besides, ``note`` what else to know."""

    name: str
    counts: str
    rows: tuple[ChangedRow, ...]
    more: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Something that an agent tried: what stopped it, and why."""

    agent: str
    by: str
    what: str
    reason: str
    times: str


def changed_tables(state: RunState) -> tuple[list[ChangedTable], int]:
    """The tables with their rows, and how many tables were changed besides."""
    found = state.changed_rows or {}
    more = found.get("more_tables")
    return [_table(one) for one in _objects(found.get("tables"))], more if isinstance(more, int) else 0


def refusals(state: RunState) -> list[Refusal]:
    """What was refused, in the order in which it was put on record."""
    return [
        Refusal(
            agent=_said(one.get("agent")),
            by=_BY.get(str(one.get("by")), "?"),
            what=_said(one.get("what")),
            reason=_said(one.get("reason")),
            times=_times(one.get("times")),
        )
        for one in state.refused
    ]


def _times(count: object) -> str:
    return f"{count:,} times" if isinstance(count, int) and count > 1 else ""


def _table(one: Mapping[str, Any]) -> ChangedTable:
    schema, name = str(one.get("schema", "")), str(one.get("name", ""))
    prefix = "" if schema == "public" else f"{quote_ident(schema)}."
    counts = [f"{one[k]:,} {k}" for k in ("inserted", "updated", "deleted") if isinstance(one.get(k), int) and one[k]]
    status = _STATUS.get(str(one.get("status")))
    more = one.get("more")
    return ChangedTable(
        name=f"{prefix}{quote_ident(name)}",
        counts=", ".join([*([status] if status else []), *counts]),
        rows=tuple(_row(row) for row in _objects(one.get("rows"))),
        more=f"{more:,}" if isinstance(more, int) and more > 0 else "",
        note="the application writes to this table, too: its own changes are among these" if one.get("live") else "",
    )


def _row(row: Mapping[str, Any]) -> ChangedRow:
    key, before, after = (row.get(name) for name in ("key", "before", "after"))
    old, new = (v if isinstance(v, Mapping) else None for v in (before, after))
    columns: Sequence[Any] = tuple(dict.fromkeys([*(old or {}), *(new or {})]))
    change = str(row.get("change"))
    return ChangedRow(
        change=change if change in _WORDS else "update",
        word=_WORDS.get(change, "?"),
        key=tuple((_said(c), _value(v)) for c, v in key.items()) if isinstance(key, Mapping) else (),
        cells=tuple(
            ChangedCell(
                column=_said(c),
                before=_value(old[c]) if old is not None and c in old else None,
                after=_value(new[c]) if new is not None and c in new else None,
            )
            for c in columns
        ),
    )


def _value(value: object) -> str:
    """A value as text; texts that would be taken for something else stand in quotes."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    text = redact(one_line(value))
    plain = bool(value) and value != "NULL" and value == value.strip()
    return text if plain else f"'{text}'"


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _said(value: object) -> str:
    return "" if value is None else redact(one_line(str(value)))[:2000]
