"""The SQL that makes rows what they were (pure): from rows that differ to statements, exactly for those rows.

Every statement names its rows by key, or by their place where there is no key, and by how the row reads now: a row
that somebody changed since is left alone. Values are the texts PostgreSQL wrote, quoted; the types of the columns turn
them back.

The statements run in a session that is a replica (``session_replication_role``): ordinary triggers and foreign keys do
not act. So nothing cascades from an unwanted row to rows that others rightly made, no trigger writes a second time, and
neither cycles nor self-references need an order. What foreign keys would have refused is asked for afterwards. The
other way, ``ALTER TABLE … DISABLE TRIGGER``, changes the catalog and needs stronger locks; it is taken only for
triggers that fire on replicas, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from ringfence.integrity.model import Attributes, TableName
from ringfence.integrity.rowpairs import RowChange
from ringfence.integrity.rowvalues import RowDifference, Values
from ringfence.integrity.state_diff import judge_sequence

ROWS_A_STATEMENT = 50
_IN_TEXT = {"\n": "\\n", "\\": "\\\\", "'": "''"}
_IN_NAME = {"\\": "\\\\", '"': '""'}
_PLAIN_NUMBERS = frozenset({"int2", "int4", "int8", "oid"})
READS_MOST = 300
_ROW = sql.SQL("r")

Act = Literal["put back", "change back", "replace", "remove"]
"""What is done to a row: inserted as it was, its columns set, removed and inserted, removed."""


@dataclass(frozen=True, kw_only=True)
class Firing:
    """A trigger or rule that would act although the session is a replica."""

    kind: str
    name: str
    enabled: str


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """A table as the statements need it. ``not_updated`` are columns that UPDATE does not set."""

    name: TableName
    columns: tuple[str, ...]
    types: Mapping[str, str | None]
    key: tuple[str, ...]
    not_updated: frozenset[str]
    has_identity: bool
    firing: tuple[Firing, ...]


@dataclass(frozen=True, kw_only=True)
class RowAct:
    """One row that differs and what is done about it."""

    change: RowChange
    act: Act


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A row of production as a statement finds it: its place, its values, and how it reads as a whole.

    ``text`` is None for a row that is too long to be written out; its hash stands for it.
    """

    place: str
    values: Values
    text: str | None
    hashed: int


@dataclass(frozen=True, kw_only=True)
class SequenceAct:
    """A sequence and the value that it gets."""

    schema: str
    name: str
    last_value: int
    is_called: bool
    was: int


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """A foreign key; ``columns`` are (own column, column referred to, schema and name of the operator)."""

    name: str
    child: TableName
    child_is_partitioned: bool
    parent: TableName
    parent_is_partitioned: bool
    columns: tuple[tuple[str, str, str, str], ...]


def literal(text: str) -> sql.Composable:
    """A text in quotes that nothing in it can leave, nor move a terminal's cursor: what is not printable is escaped."""
    if text.isprintable():
        return sql.Literal(text)
    escaped = "".join(_IN_TEXT.get(c) or (c if c.isprintable() else _unicode(c, "\\u", "\\U00")) for c in text)
    return sql.SQL(f"E'{escaped}'")


def identifier(*parts: str) -> sql.Composable:
    """A name in quotes, as `literal` does it: ``U&"new\\000Aline"``."""
    if all(part.isprintable() for part in parts):
        return sql.Identifier(*parts)
    quoted = (
        "".join(_IN_NAME.get(c) or (c if c.isprintable() else _unicode(c, "\\", "\\+")) for c in part) for part in parts
    )
    return sql.SQL(".".join(f'U&"{name}"' for name in quoted))


def _unicode(char: str, short: str, long: str) -> str:
    code = ord(char)
    return f"{short}{code:04X}" if code <= 0xFFFF else f"{long}{code:06X}"


def act_for(difference: RowDifference, facts: TableFacts) -> Act:
    """How a row becomes what it was."""
    if difference.change == "insert":
        return "remove"
    if difference.change == "delete":
        return "put back"
    touched = frozenset(difference.changed_columns())
    return "replace" if touched & facts.not_updated or not touched else "change back"


def removal(facts: TableFacts, rows: Sequence[Reading]) -> sql.Composed:
    """DELETE for rows that should not be there, or not as they are."""
    where = sql.SQL("\n   OR ").join(_where(facts, row, alone=len(rows) == 1) for row in rows)
    return sql.SQL("DELETE FROM ONLY {} AS {}\nWHERE {}").format(_table(facts.name), _ROW, where)


def update(facts: TableFacts, row: RowDifference, reading: Reading) -> sql.Composed:
    """UPDATE for one row: the columns that differ get the values they had."""
    assert row.before is not None
    sets = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(identifier(c), _value(row.before[c], facts.types.get(c)))
        for c in row.changed_columns()
    )
    return sql.SQL("UPDATE ONLY {} AS {} SET {}\nWHERE {}").format(
        _table(facts.name), _ROW, sets, _where(facts, reading, alone=True)
    )


def insertion(facts: TableFacts, rows: Sequence[Values]) -> sql.Composed:
    """INSERT for rows that are gone, identity columns with the numbers they had; generated columns make themselves."""
    if not facts.columns:
        return sql.SQL("; ").join([sql.SQL("INSERT INTO {} DEFAULT VALUES").format(_table(facts.name))] * len(rows))
    overriding = sql.SQL(" OVERRIDING SYSTEM VALUE" if facts.has_identity else "")
    values = sql.SQL(",\n  ").join(
        sql.SQL("({})").format(sql.SQL(", ").join(_value(row[c], facts.types.get(c)) for c in facts.columns))
        for row in rows
    )
    return sql.SQL("INSERT INTO {} ({}){} VALUES\n  {}").format(
        _table(facts.name), sql.SQL(", ").join(map(identifier, facts.columns)), overriding, values
    )


def silence(facts: TableFacts, *, again: bool) -> tuple[sql.Composed, ...]:
    """Switch off what would fire on a replica, or ``again`` on, each the way it was."""
    words = {"A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}
    return tuple(
        sql.SQL("ALTER TABLE {} {} {} {}").format(
            _table(facts.name),
            sql.SQL(words[one.enabled] if again else "DISABLE"),
            sql.SQL("TRIGGER" if one.kind == "TRIGGER" else "RULE"),
            identifier(one.name),
        )
        for one in facts.firing
    )


def sequence_statements(act: SequenceAct) -> tuple[sql.Composed, sql.Composed]:
    """ALTER SEQUENCE first: setval alone would stay although the transaction is rolled back."""
    name = identifier(act.schema, act.name)
    return (
        sql.SQL("ALTER SEQUENCE {} RESTART").format(name),
        sql.SQL("SELECT pg_catalog.setval({}::pg_catalog.regclass, {}, {})").format(
            literal(name.as_string(None)), sql.SQL(str(act.last_value)), sql.SQL(str(act.is_called).lower())
        ),
    )


def sequence_act(
    schema: str, name: str, before: Attributes, after: Attributes, *, increment: int, in_use: Sequence[int]
) -> SequenceAct | None:
    """What a sequence is set to; None where it moved no further than use explains.

    It gets the baseline's value, or the furthest number ``in_use`` by rows that stay: a number is never given twice.
    """
    judged = judge_sequence(before, after, increment=increment)
    if before == after or judged[0]:
        return None
    value, called = int(before["last_value"]), "is_called" in before
    furthest = (min if increment < 0 else max)([*in_use, value])
    if furthest != value:
        value, called = furthest, True
    return SequenceAct(schema=schema, name=name, last_value=value, is_called=called, was=int(after["last_value"]))


def orphans(key: ForeignKey) -> sql.Composed:
    """A query for rows that refer to nothing, as text; empty where the foreign key holds."""
    alias = sql.SQL("child"), sql.SQL("parent")
    joined = sql.SQL(" AND ").join(
        sql.SQL("parent.{} OPERATOR({}.{}) child.{}").format(
            identifier(there), identifier(schema), sql.SQL(operator), identifier(here)
        )
        for here, there, schema, operator in key.columns
    )
    present = sql.SQL(" AND ").join(sql.SQL("child.{} IS NOT NULL").format(identifier(c[0])) for c in key.columns)
    return sql.SQL(
        "SELECT (child.*)::pg_catalog.text, child.tableoid::pg_catalog.int8, child.ctid::pg_catalog.text "
        "FROM {} AS {} WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS {} WHERE {})"
    ).format(
        _whole(key.child, key.child_is_partitioned), alias[0], present,
        _whole(key.parent, key.parent_is_partitioned), alias[1], joined,
    )  # fmt: skip


def in_order(tables: Sequence[TableName], keys: Sequence[ForeignKey]) -> tuple[TableName, ...]:
    """Tables so that what is referred to comes before what refers to it, as far as there is no cycle (for readers)."""
    parents: dict[TableName, set[TableName]] = {t: set() for t in tables}
    for key in keys:
        if key.child in parents and key.parent in parents and key.child != key.parent:
            parents[key.child].add(key.parent)
    found: list[TableName] = []
    left = sorted(tables)
    while left:
        free = [t for t in left if parents[t] <= set(found)] or left[:1]
        found += free
        left = [t for t in left if t not in set(free)]
    return tuple(found)


def _table(name: TableName) -> sql.Composable:
    return identifier(name.schema, name.name)


def _whole(name: TableName, is_partitioned: bool) -> sql.Composed:
    return sql.SQL("{}{}").format(sql.SQL("" if is_partitioned else "ONLY "), _table(name))


def _where(facts: TableFacts, row: Reading, *, alone: bool) -> sql.Composed:
    """This row and no other, and only while it reads as it did."""
    if facts.key:
        parts = [
            sql.SQL("{}.{} = {}").format(_ROW, identifier(c), _value(row.values[c], facts.types.get(c)))
            for c in facts.key
        ]
    else:
        parts = [sql.SQL("{}.ctid = {}").format(_ROW, sql.Literal(row.place))]
    if row.text is not None:
        parts.append(sql.SQL("({}.*)::pg_catalog.text = {}").format(_ROW, literal(row.text)))
    else:
        parts.append(
            sql.SQL("pg_catalog.hashtextextended(({}.*)::pg_catalog.text, 0) = {}").format(
                _ROW, sql.SQL(str(row.hashed))
            )
        )
    joined = sql.SQL(" AND ").join(parts)
    return joined if alone else sql.SQL("({})").format(joined)


def _value(text: str | None, type_: str | None) -> sql.Composable:
    if text is None:
        return sql.SQL("NULL")
    if type_ in _PLAIN_NUMBERS:
        return sql.SQL(str(int(text)))
    return literal(text)
