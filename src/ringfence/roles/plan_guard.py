"""The part of the plan about the guard: history of overwritten rows, bounds, refusals (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from ringfence.postgres import queries
from ringfence.roles import plan_tables
from ringfence.roles.model import GUARD_SCHEMA, Policy
from ringfence.roles.state import Relation, State
from ringfence.roles.statement import Statement, identifier, literal, render

_PREFIX = "ringfence guard "


@dataclass(frozen=True, kw_only=True)
class _Trigger:
    name: str
    timing: str
    function: str
    arguments: tuple[str, ...]


def guard(state: State, policy: Policy) -> Iterator[Statement]:
    """At the level strict the guard's schema and a set of triggers for each table; at standard no triggers of it."""
    schemas = {s.name: s for s in state.schemas}
    tables = [r for r in state.relations if r.kind in ("r", "p") and plan_tables.is_apps(schemas[r.schema])]
    if policy.level != "strict":
        for table in tables:
            for name in table.triggers:
                yield _drop(table, name)
        return
    text = queries.load("ringfence.roles", "guard").as_string(None)
    version = _PREFIX + hashlib.sha256(text.encode()).hexdigest()[:16]
    if state.guard != version:
        yield Statement(
            sql=text.rstrip().rstrip(";"),
            why="where what is overwritten is kept, out of the app's reach",
            undo=render("DROP SCHEMA {} CASCADE", identifier(GUARD_SCHEMA)),
        )
    if state.guard != version or state.guard_open:
        for what in ("SCHEMA {}", "ALL TABLES IN SCHEMA {}", "ALL SEQUENCES IN SCHEMA {}", "ALL ROUTINES IN SCHEMA {}"):
            place = sql.SQL(what).format(identifier(GUARD_SCHEMA))
            yield Statement(
                sql=render("REVOKE ALL ON {} FROM {}", place, identifier(policy.app)),
                why="default privileges, too, must not lead to it",
                undo=None,
            )
    if state.guard != version:
        yield Statement(
            sql=render("COMMENT ON SCHEMA {} IS {}", identifier(GUARD_SCHEMA), literal(version)),
            why="says which guard it is",
            undo=None,
        )
    for table in tables:
        yield from _triggers(table, policy)
        yield from _bounds(table, policy)
    for function in state.public_functions:
        yield Statement(
            sql=render("REVOKE EXECUTE ON FUNCTION pg_catalog.{} FROM PUBLIC", sql.SQL(function)),
            why="fills the disk, or keeps rows outside of tables, without a right on any",
            undo=render("GRANT EXECUTE ON FUNCTION pg_catalog.{} TO PUBLIC", sql.SQL(function)),
        )


def _wanted(policy: Policy) -> tuple[_Trigger, ...]:
    limit = "" if policy.max_rows is None else str(policy.max_rows)
    old = "AFTER UPDATE ON {} REFERENCING OLD TABLE AS old_rows"
    new = "AFTER INSERT ON {} REFERENCING NEW TABLE AS new_rows"
    wanted = [
        _Trigger(name="zz_ringfence_update", timing=old, function="keep", arguments=(policy.app, limit)),
        _Trigger(name="zz_ringfence_delete", timing="BEFORE DELETE ON {}", function="refuse", arguments=(policy.app,)),
        _Trigger(
            name="zz_ringfence_truncate", timing="BEFORE TRUNCATE ON {}", function="refuse", arguments=(policy.app,)
        ),
    ]
    if limit:
        wanted.append(_Trigger(name="zz_ringfence_insert", timing=new, function="bound", arguments=(policy.app, limit)))
    return tuple(wanted)


def _triggers(table: Relation, policy: Policy) -> Iterator[Statement]:
    wanted = _wanted(policy)
    for unwanted in set(table.triggers) - {t.name for t in wanted}:
        yield _drop(table, unwanted)
    place = sql.Identifier(table.schema, table.name)
    for trigger in wanted:
        arguments = "".join(a.replace("\\", "\\\\") + "\\000" for a in trigger.arguments)
        if table.triggers.get(trigger.name) == ("A", arguments):
            continue
        name = identifier(trigger.name)
        if trigger.name in table.triggers:
            yield _drop(table, trigger.name)
        text = render(
            "CREATE TRIGGER {} {} FOR EACH STATEMENT EXECUTE FUNCTION {}({})",
            name,
            sql.SQL(trigger.timing).format(place),
            sql.Identifier(GUARD_SCHEMA, trigger.function),
            sql.SQL(", ").join(literal(a) for a in trigger.arguments),
        )
        yield Statement(
            # ALWAYS: also where session_replication_role switches other triggers off.
            sql=f"{text}; {render('ALTER TABLE {} ENABLE ALWAYS TRIGGER {}', place, name)}",
            why={"keep": "keeps what is overwritten", "bound": "bounds one statement", "refuse": "refuses the app"}[
                trigger.function
            ],
            undo=render("DROP TRIGGER {} ON {}", name, place),
        )


def _drop(table: Relation, name: str) -> Statement:
    return Statement(
        sql=render("DROP TRIGGER {} ON {}", identifier(name), sql.Identifier(table.schema, table.name)),
        why="the guard is not declared like this any more; what it kept stays",
        undo="ringfence roles apply with the former settings",
    )


def _bounds(table: Relation, policy: Policy) -> Iterator[Statement]:
    if table.partition:
        return  # it has its parent's
    place = sql.Identifier(table.schema, table.name)
    for column in table.columns:
        if column.measured_by is None or column.generated:
            continue
        name = identifier(f"ringfence_size_{column.number}")
        yield Statement(
            # NOT VALID: rows that are there are not read and not judged, and the lock is held for a moment only.
            sql=render(
                "ALTER TABLE {} ADD CONSTRAINT {} CHECK (pg_catalog.{}({}) <= {}) NOT VALID",
                place,
                name,
                sql.SQL("octet_length" if column.measured_by == "octet_length" else "pg_column_size"),
                identifier(column.name),
                sql.Literal(policy.max_value_bytes),
            ),
            why="a value of half a gigabyte cannot be dumped any more",
            undo=render("ALTER TABLE {} DROP CONSTRAINT {}", place, name),
        )
