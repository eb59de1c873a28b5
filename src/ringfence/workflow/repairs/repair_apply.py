"""The repair as one transaction: locked, compared again, written, checked, and committed only if it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from ringfence.errors import HaltError, RestoreError
from ringfence.integrity import fingerprint, repair
from ringfence.integrity.compare import table_text
from ringfence.integrity.model import Observation, TableName
from ringfence.integrity.observe import Snapshot
from ringfence.integrity.repair import ForeignKey
from ringfence.integrity.repair_plan import Step, TablePlan, single_steps, steps, with_rows
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection, error_text
from ringfence.redact import one_line
from ringfence.wording import counted
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project
from ringfence.workflow.repairs.repair_plan import RepairPlan, lock_statement, make_plan

_MOST_CONFLICTS = 20
_COLLISIONS = (psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation)


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What was committed: the plan as it was made under the lock, and how many rows of others gave way."""

    plan: RepairPlan
    overwritten: int


class _Transaction:
    """The writing session between BEGIN and COMMIT; ``staying`` are the rows that others made and that stay."""

    def __init__(
        self, connection: Connection, before: Observation, plans: Sequence[TablePlan], overwrite: bool
    ) -> None:
        self.connection, self.before, self.overwrite = connection, before, overwrite
        self.plans = {p.facts.name: p for p in plans}
        self.staying = {p.facts.name: {c.after.place: c for c in p.staying if c.after} for p in plans}
        self.tables = {t.oid: t.name for t in fingerprint.read_tables(connection)}
        self.conflicts: list[str] = []
        self.overwritten = 0
        self.orphans: set[tuple[str, int, str]] = set()

    def run(self, order: Sequence[TableName], progress: Progress) -> None:
        """Every statement, each touching exactly the rows that it names."""
        total = sum(len(p.acts) for p in self.plans.values())
        done = 0
        for step in steps(list(self.plans.values()), order):
            if step.puts_back:
                self._put_back(step)
            else:
                self._expect(step, self.connection.execute(step.statement).rowcount)
            done += step.rows or 0
            progress.advance("repairing", min(done, total), total)

    def _expect(self, step: Step, touched: int) -> None:
        if step.rows is not None and touched != step.rows:
            raise RestoreError(
                f"table {table_text(step.table)}: a statement touched {counted(touched, 'row')} instead of {step.rows}",
                hint="nothing was changed; 'ringfence diff' shows the table as it is",
            )

    def _put_back(self, step: Step) -> None:
        """INSERT, and where a row stands in the way of another one, row by row to say which."""
        try:
            with self.connection.transaction():
                self.connection.execute(step.statement)
            return
        except _COLLISIONS:
            pass
        for single in single_steps(self.plans[step.table], step):
            while True:
                try:
                    with self.connection.transaction():
                        self.connection.execute(single.statement)
                    break
                except _COLLISIONS as error:
                    if not self._give_way(single, error):
                        self.conflicts.append(f"table {table_text(step.table)}: {one_line(error_text(error))}")
                        break

    def _give_way(self, step: Step, error: psycopg.Error) -> bool:
        """Remove the newer row that holds the value of a unique column, where that was asked for."""
        name = error.diag.constraint_name
        plan = self.plans[step.table]
        if not self.overwrite or name is None:
            return False
        found = self.connection.execute(
            queries.load("ringfence.integrity", "index_columns"), {"oid": plan.after.table.oid, "name": name}
        ).fetchone()
        if found is None:
            return False
        row = step.puts_back[0]
        where = sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(c), sql.Literal(row[c])) for c in found[0]
        )
        table = sql.Identifier(step.table.schema, step.table.name)
        gone = self.connection.execute(
            sql.SQL("DELETE FROM ONLY {} WHERE {} RETURNING ctid::pg_catalog.text").format(table, where)
        ).fetchall()
        self._forget(step.table, [g[0] for g in gone])
        return bool(gone)

    def _forget(self, table: TableName, places: Sequence[str]) -> None:
        self.overwritten += len(places)
        for place in places:
            self.staying.get(table, {}).pop(place, None)

    def check_foreign_keys(self, plan: RepairPlan) -> None:
        """Rows that refer to what is being removed. They came after it, and nobody said that they may go."""
        again = True
        while again:
            again = False
            for key in plan.keys:
                found = [row for row in self._orphans(key) if self._is_newer(row)]
                if found and self.overwrite:
                    again = True
                    self._remove(found)
                    continue
                shown = f"foreign key {one_line(key.name)} of table {table_text(key.child)}"
                self.conflicts += [
                    f"{shown}: the row {one_line(text[:200])} refers to a row that would be removed from "
                    f"{table_text(key.parent)}"
                    for text, _, _ in found
                ]

    def remember_orphans(self, keys: Sequence[ForeignKey]) -> None:
        """Rows that referred to nothing before this began, in tables that are not repaired, are nobody's conflict."""
        self.orphans = {row for key in keys if key.child not in self.plans for row in self._orphans(key)}

    def _orphans(self, key: ForeignKey) -> list[tuple[str, int, str]]:
        return [(row[0], row[1], row[2]) for row in self.connection.execute(repair.orphans(key)).fetchall()]

    def _is_newer(self, row: tuple[str, int, str]) -> bool:
        """Whether a row is none of the baseline's: those of a repaired table that stay, or any of another table."""
        table = self.tables[row[1]]
        return row[2] in self.staying[table] if table in self.plans else row not in self.orphans

    def _remove(self, found: Sequence[tuple[str, int, str]]) -> None:
        for _, oid, place in found:
            table = self.tables[oid]
            self.connection.execute(
                sql.SQL("DELETE FROM ONLY {} WHERE ctid = {}::pg_catalog.tid").format(
                    sql.Identifier(table.schema, table.name), sql.Literal(place)
                )
            )
            self._forget(table, [place])

    def check_late_uniques(self) -> None:
        """What is checked late is checked by a trigger, which a replica's session does not fire."""
        oids = {p.after.table.oid: p.facts.name for p in self.plans.values()}
        query = queries.load("ringfence.integrity", "late_uniques")
        for name, oid, columns in self.connection.execute(query, {"tables": list(oids)}).fetchall():
            table = oids[oid]
            listed = sql.SQL(", ").join(map(sql.Identifier, columns))
            present = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(c)) for c in columns)
            found = self.connection.execute(
                sql.SQL("SELECT 1 FROM ONLY {} WHERE {} GROUP BY {} HAVING pg_catalog.count(*) > 1 LIMIT 1").format(
                    sql.Identifier(table.schema, table.name), present, listed
                )
            ).fetchone()
            if found:
                self.conflicts.append(
                    f"table {table_text(table)}: a newer row has the value of one that is put back ({one_line(name)})"
                )

    def check_fingerprints(self, progress: Progress) -> None:
        """Read every repaired table back: its fingerprint must be the baseline's, and that of rows that stay."""
        baseline = {d.table: d for d in self.before.tables}
        for number, (name, plan) in enumerate(self.plans.items()):
            progress.advance("reading back", number, len(self.plans))
            wanted = with_rows(baseline[name], tuple(self.staying[name].values()))
            found = fingerprint.digest_table(self.connection, plan.after.table, self.before.seeds)
            if found != wanted:
                raise RestoreError(
                    f"table {table_text(name)} would not be what it was "
                    f"({counted(found.rows, 'row')}, {wanted.rows:,} wanted); nothing was changed",
                    hint="a generated column, a domain or a trigger made other values; 'ringfence restore' remains",
                )


def apply(
    project: Project,
    before: Observation,
    pristine: Snapshot,
    connection: Connection,
    shown: RepairPlan,
    *,
    overwrite: bool,
    lock_wait_s: float,
    progress: Progress,
) -> Applied:
    """Run the repair in one transaction. ``connection`` writes and is proven to be production.

    Raises RestoreError (6) with production as it was: a lock that could not be had, rows that changed since ``shown``
    was made, newer rows that stand in the way, a fingerprint that is not what it must be.
    """
    try:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        # SET and LOCK need no snapshot. The first statement that does comes after the lock, so what it sees is what is
        # there: nothing can have been written in between.
        connection.execute(
            sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(f"{max(1, int(lock_wait_s * 1000))}ms"))
        )
        connection.execute("SET LOCAL session_replication_role = replica")
        if shown.tables:
            connection.execute(lock_statement(shown.locked()))
        names = [t.facts.name for t in shown.tables]
        tables = fingerprint.read_tables(connection)
        # Nobody has shown yet where anything was written since the plan was: all rows are compared.
        plans, keys, _ = make_plan(project, before, pristine, connection, tables, names, {}, progress)
        plan = replace(shown, tables=plans, keys=keys)
        _require_same(shown, plan, overwrite)
        work = _Transaction(connection, before, plans, overwrite)
        work.remember_orphans(plan.keys)
        work.run(plan.order, progress)
        work.check_foreign_keys(plan)
        work.check_late_uniques()
        if work.conflicts:
            raise _conflict(work.conflicts)
        work.check_fingerprints(progress)
        for act in plan.sequences:
            for statement in repair.sequence_statements(act):
                connection.execute(statement)
    except psycopg.errors.LockNotAvailable as error:
        raise RestoreError(
            f"a table stayed locked for {lock_wait_s:g} s; nothing was changed",
            hint="end the transactions that hold it (pg_stat_activity), or wait longer: --lock-wait",
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise RestoreError(
            f"the repair needs a superuser: {error_text(error)}; nothing was changed",
            hint="the admin role must be able to switch triggers off (session_replication_role)",
        ) from error
    _commit(connection)
    return Applied(plan=plan, overwritten=work.overwritten)


def _commit(connection: Connection) -> None:
    try:
        connection.execute("COMMIT")
    except psycopg.Error as error:
        if connection.closed:
            raise HaltError(
                f"the server went away during COMMIT, so whether the repair holds is not known: {error_text(error)}",
                hint="'ringfence verify' tells; the repair is one transaction, so it is all of it or nothing",
            ) from error
        raise


def _require_same(shown: RepairPlan, plan: RepairPlan, overwrite: bool) -> None:
    """Refuse where rows changed between the plan that was shown and the lock."""
    old = {t.facts.name: t.signature() for t in shown.tables}
    new = {t.facts.name: t.signature() for t in plan.tables}
    changed = [t for t in old.keys() | new.keys() if old.get(t) != new.get(t)]
    if changed and not overwrite:
        raise _conflict(
            [f"rows of table {table_text(t)} changed after the repair was planned" for t in sorted(changed)]
        )


def _conflict(conflicts: Sequence[str]) -> RestoreError:
    lines = [f"{counted(len(conflicts), 'conflict')}; nothing was changed"]
    lines += conflicts[:_MOST_CONFLICTS]
    if len(conflicts) > _MOST_CONFLICTS:
        lines.append(f"and {len(conflicts) - _MOST_CONFLICTS} more")
    return RestoreError(
        "\n".join(lines),
        hint="look at these rows; --overwrite takes the baseline's side and removes newer rows that stand in the way",
    )
