"""What is to be done to each table so that its rows are the baseline's again, and the statements that do it.

Only where rows lie and their hashes are kept; values are fetched when a statement is made of them, so that a plan for
a million rows fits into memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from ringfence.errors import RestoreError
from ringfence.integrity import ranges, repair
from ringfence.integrity.model import TableDigest, TableName
from ringfence.integrity.repair import Act, Firing, ForeignKey, Reading, RowAct, TableFacts
from ringfence.integrity.rowpairs import RowChange, RowsCompared, Side, key_columns
from ringfence.integrity.rowvalues import Values, rows_at, texts, with_values
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection, QueryError
from ringfence.redact import one_line

MOST_ROWS = 1_000_000
_PACKAGE = "ringfence.integrity"


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """One table: what is done to which rows, and new rows that stay because the table may grow.

    ``wanted`` is the fingerprint that the table must have afterwards.
    """

    facts: TableFacts
    before: Side
    after: Side
    columns: tuple[str, ...]
    acts: tuple[RowAct, ...]
    staying: tuple[RowChange, ...]
    wanted: TableDigest

    def count(self, *acts: Act) -> int:
        """How many rows something is done to."""
        return sum(1 for a in self.acts if a.act in acts)

    def signature(self) -> frozenset[tuple[object, ...]]:
        """What makes it the same plan again, made in another snapshot: rows by their values, not by their places."""
        counted = Counter(
            (a.act, a.change.before.row if a.change.before else None, a.change.after.row if a.change.after else None)
            for a in self.acts
        )
        return frozenset(counted.items())


@dataclass(frozen=True, kw_only=True)
class Step:
    """A statement, how many rows it must touch (None where that says nothing), and the rows an INSERT puts back."""

    statement: sql.Composed
    table: TableName
    rows: int | None
    puts_back: tuple[Values, ...] = ()


def plan_table(found: RowsCompared, before: Side, after: Side, baseline: TableDigest, *, may_grow: bool) -> TablePlan:
    """Decide for every row that differs. Raises RestoreError (6) where there are too many, QueryError."""
    facts = read_facts(after, found)
    acts: list[RowAct] = []
    staying: list[RowChange] = []
    updates: list[RowChange] = []
    for one in found.changes():
        if one.change == "insert" and may_grow:
            staying.append(one)
        elif one.change == "update":
            updates.append(one)
        else:
            acts.append(RowAct(change=one, act="remove" if one.change == "insert" else "put back"))
        if len(acts) + len(staying) + len(updates) > MOST_ROWS:
            raise RestoreError(
                f"more than {MOST_ROWS:,} rows of {one_line(after.table.name.name)} differ: too many to repair by rows",
                hint="'ringfence restore' brings the whole database back",
            )
    columns = tuple(c.name for c in found.columns)
    for difference, one in with_values(updates, before, after, columns):
        acts.append(RowAct(change=one, act=repair.act_for(difference, facts)))
    return TablePlan(
        facts=facts,
        before=before,
        after=after,
        columns=columns,
        acts=tuple(acts),
        staying=tuple(staying),
        wanted=with_rows(baseline, staying),
    )


def steps(plans: Sequence[TablePlan], order: Sequence[TableName]) -> Iterator[Step]:
    """Every statement in order: all that removes (children first), all that changes, all that puts back."""
    by_name = {p.facts.name: p for p in plans}
    chosen = [by_name[t] for t in order]
    for plan in chosen:
        for statement in repair.silence(plan.facts, again=False):
            yield Step(statement=statement, table=plan.facts.name, rows=None)
    for plan in reversed(chosen):
        yield from _removals(plan)
    for plan in chosen:
        yield from _updates(plan)
    for plan in chosen:
        yield from _insertions(plan)
    for plan in chosen:
        for statement in repair.silence(plan.facts, again=True):
            yield Step(statement=statement, table=plan.facts.name, rows=None)


def _removals(plan: TablePlan) -> Iterator[Step]:
    chosen = [a.change for a in plan.acts if a.act in ("remove", "replace")]
    for some in _batches(chosen):
        read = _readings(plan, [c.after.place for c in some if c.after])
        yield Step(statement=repair.removal(plan.facts, read), table=plan.facts.name, rows=len(read))


def _updates(plan: TablePlan) -> Iterator[Step]:
    chosen = [a.change for a in plan.acts if a.act == "change back"]
    for some in _batches(chosen):
        read = {r.place: r for r in _readings(plan, [c.after.place for c in some if c.after])}
        for difference, one in with_values(some, plan.before, plan.after, plan.columns):
            assert one.after is not None
            statement = repair.update(plan.facts, difference, read[one.after.place])
            yield Step(statement=statement, table=plan.facts.name, rows=1)


def _insertions(plan: TablePlan) -> Iterator[Step]:
    chosen = [a.change for a in plan.acts if a.act in ("put back", "replace")]
    for some in _batches(chosen):
        places = [c.before.place for c in some if c.before]
        values = rows_at(plan.before, plan.columns, places)
        rows = tuple(values[p] for p in places)
        yield Step(statement=repair.insertion(plan.facts, rows), table=plan.facts.name, rows=len(rows), puts_back=rows)


def single_steps(plan: TablePlan, step: Step) -> Iterator[Step]:
    """The same rows one statement each, to learn which of them stands in the way of what."""
    for row in step.puts_back:
        yield Step(statement=repair.insertion(plan.facts, [row]), table=step.table, rows=1, puts_back=(row,))


def read_facts(side: Side, found: RowsCompared) -> TableFacts:
    """What the catalog of production says about a table."""
    query = queries.load(_PACKAGE, "repair_table")
    row = side.connection.execute(query, {"oid": side.table.oid}).fetchone()
    if row is None:
        raise QueryError(f"table {side.table.name.name} is not there any more")
    columns, not_updated, has_identity, firing = row
    return TableFacts(
        name=side.table.name,
        columns=tuple(columns),
        types={c.name: c.type for c in found.columns},
        # Rows are told apart by their key only while something in production keeps it unique.
        key=found.key if found.key == key_columns(side) else (),
        not_updated=frozenset(not_updated),
        has_identity=has_identity,
        firing=tuple(Firing(kind=kind, name=name, enabled=enabled) for kind, name, enabled in firing),
    )


def read_foreign_keys(connection: Connection, oids: Sequence[int]) -> tuple[ForeignKey, ...]:
    """Foreign keys from or to any of these tables."""
    rows = connection.execute(queries.load(_PACKAGE, "foreign_keys"), {"tables": list(oids)}).fetchall()
    found = []
    for name, child_schema, child, child_whole, parent_schema, parent, parent_whole, columns in rows:
        found.append(
            ForeignKey(
                name=name,
                child=TableName(schema=child_schema, name=child),
                child_is_partitioned=child_whole,
                parent=TableName(schema=parent_schema, name=parent),
                parent_is_partitioned=parent_whole,
                columns=tuple((here, there, schema, operator) for here, there, schema, operator in columns),
            )
        )
    return tuple(found)


def with_rows(baseline: TableDigest, staying: Sequence[RowChange]) -> TableDigest:
    """The fingerprint of the baseline's rows and of rows that stay besides."""
    old = (baseline.rows, int(baseline.fingerprint[:16], 16), int(baseline.fingerprint[16:], 16))
    new = [(1, *one.after.row) for one in staying if one.after is not None]
    assert len(new) == len(staying)
    return ranges.table_digest(baseline.table, ranges.add([old, *new]))


def _readings(plan: TablePlan, places: Sequence[str]) -> list[Reading]:
    """Rows of production by their places, each with how it reads as a whole."""
    values = rows_at(plan.after, plan.columns, places)
    name = plan.facts.name
    query = sql.SQL(
        "SELECT read.ctid, CASE WHEN pg_catalog.length(read.whole) <= {most} THEN read.whole END, "
        "pg_catalog.hashtextextended(read.whole, 0) FROM (SELECT r.ctid, (r.*)::pg_catalog.text AS whole "
        "FROM ONLY {table} AS r WHERE r.ctid = ANY ({places}::pg_catalog.tid[])) AS read"
    ).format(
        most=sql.Literal(repair.READS_MOST),
        table=sql.Identifier(name.schema, name.name),
        places=sql.Literal(list(places)),
    )
    read = {str(row[0]): (row[1], int(str(row[2]))) for row in texts(plan.after, query)}
    return [Reading(place=p, values=values[p], text=read[p][0], hashed=read[p][1]) for p in places]


def _batches(changes: Sequence[RowChange]) -> Iterator[Sequence[RowChange]]:
    for start in range(0, len(changes), repair.ROWS_A_STATEMENT):
        yield changes[start : start + repair.ROWS_A_STATEMENT]
