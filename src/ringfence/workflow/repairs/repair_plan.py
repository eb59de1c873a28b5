"""What ``repair`` is going to do: to which rows, to which sequences, and what rows cannot bring back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from ringfence.config.names import parse_table_name
from ringfence.integrity import repair
from ringfence.integrity.compare import compare as verdict_of
from ringfence.integrity.compare import differing, table_text
from ringfence.integrity.fingerprint import Table
from ringfence.integrity.model import Observation, TableName
from ringfence.integrity.observe import Snapshot
from ringfence.integrity.repair import ForeignKey, SequenceAct
from ringfence.integrity.repair_plan import TablePlan, plan_table, read_foreign_keys, steps
from ringfence.integrity.rowpairs import Side
from ringfence.integrity.rowvalues import rows_at
from ringfence.postgres import queries
from ringfence.postgres.connection import PINNED_SETTINGS, Connection
from ringfence.postgres.identity import Identity
from ringfence.redact import one_line
from ringfence.wording import counted
from ringfence.workflow.comparison import rows
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project

_SCRIPT_SETTINGS = (
    *("TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output", "lc_monetary", "xmloption"),
    *("search_path", "row_security", "lock_timeout"),
)


@dataclass(frozen=True, kw_only=True)
class RepairPlan:
    """Everything that is done, and what is not.

    ``order`` has what is referred to first. ``remains`` are sentences about damage that rows cannot repair or that was
    not asked for.
    """

    tables: tuple[TablePlan, ...]
    order: tuple[TableName, ...]
    keys: tuple[ForeignKey, ...]
    sequences: tuple[SequenceAct, ...]
    remains: tuple[str, ...] = field(default_factory=tuple)
    definitions: tuple[str, ...] = ()
    """Statements that bring back definitions and large objects, for a person to look at: shown and never run."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.sequences and not any(t.acts for t in self.tables)

    def locked(self) -> tuple[tuple[TableName, bool], ...]:
        """Tables that nobody may write to meanwhile: those that are repaired, and what a foreign key ties to them.
        Each with whether it is partitioned."""
        found = {t.facts.name: False for t in self.tables}
        for key in self.keys:
            found.setdefault(key.child, key.child_is_partitioned)
            found.setdefault(key.parent, key.parent_is_partitioned)
        return tuple(sorted(found.items()))


def choose_tables(
    project: Project, before: Observation, after: Observation, asked: Sequence[TableName] | None
) -> tuple[tuple[TableName, ...], list[str]]:
    """The tables whose rows are repaired, and sentences about those that are not. ``asked`` None means all."""
    old, new = {d.table for d in before.tables}, {d.table for d in after.tables}
    chosen, remains = [], []
    for table in differing(before, after):
        name = f"table {table_text(table)}"
        rule = project.rule(table)
        if table not in new:
            remains.append(f"{name} is gone; rows cannot bring it back")
        elif table not in old:
            remains.append(f"{name} was created since the baseline; it is left as it is")
        elif asked is not None and table not in asked:
            remains.append(f"{name} differs and was not asked for")
        elif asked is None and rule.rule == "ignore":
            remains.append(f"{name} differs and is ignored: {one_line(rule.reason or 'no reason given')}")
        elif asked is None and rule.rule == "live":
            remains.append(
                f"{name} differs, and the application may write to it: ask for it by name to put back everything, what "
                "the application wrote since the baseline included"
            )
        else:
            chosen.append(table)
    return tuple(chosen), remains


def make_plan(
    project: Project,
    before: Observation,
    pristine: Snapshot,
    connection: Connection,
    tables: Sequence[Table],
    chosen: Sequence[TableName],
    changed: rows.Changed,
    progress: Progress,
) -> tuple[tuple[TablePlan, ...], tuple[ForeignKey, ...], list[str]]:
    """Compare the rows of the chosen tables as a session of production sees them now. Raises as `rows.compare` does."""
    here, there = rows.by_name(pristine.tables), rows.by_name(tables)
    digests = {d.table: d for d in before.tables}
    plans, remains = [], []
    for number, table in enumerate(chosen):
        progress.advance("comparing rows", number, len(chosen))
        one = Side(connection=pristine.connection, table=here[table])
        other = Side(connection=connection, table=there[table])
        found = rows.compare(before, one, other, changed)
        if found.column_changes:
            names = (*found.column_changes.dropped, *found.column_changes.added, *found.column_changes.changed)
            told = ", ".join(one_line(n) for n in names)
            remains.append(
                f"table {table_text(table)} has other columns than the baseline ({told}): not repaired by rows"
            )
            continue
        may_grow = project.rule(table).rule == "append-only"
        plans.append(plan_table(found, one, other, digests[table], may_grow=may_grow))
    keys = read_foreign_keys(connection, [p.after.table.oid for p in plans])
    return tuple(plans), keys, remains


def plan_sequences(
    before: Observation, after: Observation, plans: Sequence[TablePlan], connection: Connection, *, everything: bool
) -> tuple[SequenceAct, ...]:
    """What sequences are set to: all that moved further than use explains, or only those of the planned tables."""
    found = []
    values = after.state.get("sequence-value", {})
    by_name = {p.facts.name: p for p in plans}
    for quoted, old in before.state.get("sequence-value", {}).items():
        new = values.get(quoted)
        if new is None or new == old or not quoted:
            continue
        name = parse_table_name(quoted)
        named = {"schema": name.schema, "name": name.name}
        row = connection.execute(queries.load("ringfence.integrity", "sequence_owner"), named).fetchone()
        plan = by_name.get(TableName(schema=row[0], name=row[1])) if row else None
        if plan is None and not everything:
            continue
        in_use: list[int] = []
        if plan and row and plan.staying:
            read = rows_at(plan.after, [row[2]], [c.after.place for c in plan.staying if c.after])
            in_use = [int(text) for values_ in read.values() if (text := values_[row[2]]) is not None]
        increment = int(after.state.get("sequence", {}).get(quoted, {}).get("seqincrement", 0))
        act = repair.sequence_act(name.schema or "public", name.name, old, new, increment=increment, in_use=in_use)
        if act:
            found.append(act)
    return tuple(found)


def other_damage(before: Observation, after: Observation, sequences: Sequence[SequenceAct]) -> list[str]:
    """What differs besides rows, one sentence each, without the sequences that are set back."""
    found = verdict_of(before, after, rules={}, changes={}, proof="fingerprint")
    mended = {f"{one_line(s.schema)}.{one_line(s.name)}" for s in sequences}
    remains = []
    for change in found.other:
        is_mended = change.kind == "sequence" and any(change.object.replace('"', "").endswith(m) for m in mended)
        if not change.allowed and not is_mended:
            remains.append(f"{change.kind} {change.object} differs: not repaired by rows")
    return remains


def script(plan: RepairPlan, identity: Identity, *, project: str, backup: str) -> Iterator[str]:
    """The whole repair as a script for psql, piece by piece; it is one transaction."""
    yield _HEAD.format(
        project=one_line(project), where=one_line(identity.describe()), backup=backup, counts=counts_text(plan)
    )
    yield from (f"-- NOT REPAIRED: {one_line(text)}\n" for text in plan.remains)
    yield "\\set ON_ERROR_STOP on\nBEGIN;\n"
    yield _text(
        sql.SQL(_GUARD).format(system=sql.Literal(identity.system_identifier), database=sql.Literal(identity.database))
    )
    for name in _SCRIPT_SETTINGS:
        yield _text(sql.SQL("SET LOCAL {} = {}").format(sql.SQL(name), sql.Literal(PINNED_SETTINGS[name])))
    yield "SET LOCAL session_replication_role = replica; -- no trigger fires and nothing cascades\n"
    if plan.tables:
        yield _text(lock_statement(plan.locked()))
    last = None
    for step in steps(plan.tables, plan.order):
        if step.table != last:
            yield f"\n-- {table_text(step.table)}\n"
            last = step.table
        yield _text(step.statement)
    for act in plan.sequences:
        yield f"\n-- sequence {one_line(act.schema)}.{one_line(act.name)}: was {act.was}\n"
        for statement in repair.sequence_statements(act):
            yield _text(statement)
    yield "\nCOMMIT;\n"
    if plan.definitions:
        yield from _definitions(plan, identity)
    yield "-- Now: ringfence verify\n"


def _definitions(plan: RepairPlan, identity: Identity) -> Iterator[str]:
    """A transaction of its own, which psql passes over unless it is asked for."""
    yield _DEFINITIONS
    yield _text(
        sql.SQL(_GUARD).format(system=sql.Literal(identity.system_identifier), database=sql.Literal(identity.database))
    )
    for statement in plan.definitions:
        yield f"\n{statement};\n"
    yield "\nCOMMIT;\n\\endif\n"


def counts_text(plan: RepairPlan) -> str:
    """``3 rows of 2 tables and 1 sequence``"""
    done = sum(len(t.acts) for t in plan.tables)
    tables = sum(1 for t in plan.tables if t.acts)
    text = f"{counted(done, 'row')} of {counted(tables, 'table')}"
    number = len(plan.sequences)
    return text + (f" and {counted(number, 'sequence')}" if number else "")


def lock_statement(tables: Sequence[tuple[TableName, bool]]) -> sql.Composed:
    """Readers go on, writers wait."""
    names = sql.SQL(", ").join(
        sql.SQL("{}{}").format(sql.SQL("" if is_partitioned else "ONLY "), repair.identifier(t.schema, t.name))
        for t, is_partitioned in tables
    )
    return sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(names)


def _text(statement: sql.Composed) -> str:
    return statement.as_string(None) + ";\n"


_HEAD = """\
-- Repair of {project}: {counts}, back to backup {backup}.
-- For {where}.
-- Every statement names its rows by how they read when this was made: a row that changed since is left alone, and psql
-- then says UPDATE 0 or DELETE 0. 'ringfence repair --apply' does the same, refuses in that case, and compares the
-- fingerprints before it commits. Run this as a superuser: psql -X -f FILE
"""

_DEFINITIONS = """
-- Definitions and large objects as the baseline has them. Look at each, and at what depends on it; 'ringfence repair
-- --apply' leaves them alone. To run them too: psql -X -v definitions=1 -f FILE
\\if :{?definitions}
BEGIN;
SET LOCAL search_path = '';
SET LOCAL check_function_bodies = off;
"""

_GUARD = """\
DO $guard$ BEGIN
  IF (SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()) <> {system}
     OR pg_catalog.current_database() <> {database} THEN
    RAISE EXCEPTION 'this is another server or database than the one the repair was made for';
  END IF;
END $guard$"""
