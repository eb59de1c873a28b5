"""What the level strict costs the application: the history of overwritten rows, and the limit of rows per statement.

Part of ``make bench``; alone: ``PYTHONPATH=. python -P tests/bench/strict.py``. Two tables with the same rows, one with
the guard's triggers, one without; the app role writes to them in turn, in one session, each statement a transaction.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Sequence

from psycopg import sql

from ringfence.postgres.connection import Connection, connect
from ringfence.roles.model import GUARD_TRIGGERS, Policy
from ringfence.workflow.project import Project
from ringfence.workflow.rights import roles

RUNS = int(os.environ.get("RINGFENCE_BENCH_RUNS", "3"))
ROWS, LIMIT = 100_000, 5_000
TABLES = ("guarded", "bare")

MAKE = """
CREATE TABLE public.{table} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text NOT NULL, quantity numeric(14, 3) NOT NULL,
    notes text, at timestamptz NOT NULL DEFAULT '2024-01-01'
) WITH (fillfactor = 50);
INSERT INTO public.{table} (code, quantity, notes)
SELECT 'C' || n, n * 1.5, pg_catalog.repeat('note ', 10) FROM pg_catalog.generate_series(1, {rows}) AS n;
"""
UPDATE = "UPDATE public.{} SET quantity = quantity + 1 WHERE id BETWEEN %s AND %s"
INSERT = (
    "INSERT INTO public.{} (code, quantity, notes) "
    "SELECT 'N' || n, n, pg_catalog.repeat('note ', 10) FROM pg_catalog.generate_series(%s::int, %s::int) AS n"
)
# Rows of one statement, and how many statements are one measurement: a single one is shorter than the clock's noise.
SIZES = ((1, 300), (100, 60), (1_000, 12))


def measure(project: Project) -> None:
    """Print a line of the table for each kind of statement, with the history alone and with the limit, too."""
    admin = project.target("production")
    with connect(admin, read_only=False) as connection:
        for table in TABLES:
            for statement in MAKE.format(table=table, rows=ROWS).split(";\n"):
                if statement.strip():
                    connection.execute(statement.encode())
        connection.execute("VACUUM (ANALYZE)")
    policy = dataclasses.replace(roles.policy_of(project), level="strict")
    _guarded(project, policy)
    for size, statements in SIZES:
        _row(project, "history", UPDATE, size, statements)
    _guarded(project, dataclasses.replace(policy, max_rows=LIMIT))
    for size, statements in SIZES:
        _row(project, "history and limit", UPDATE, size, statements)
    for size, statements in SIZES:
        _row(project, "limit", INSERT, size, statements)


def _guarded(project: Project, policy: Policy) -> None:
    """The whole database at the level strict, as `roles apply` makes it, but for one table without its triggers."""
    admin = project.target("production")
    roles.apply_to(admin, policy, roles.passwords_of(project))
    with connect(admin, read_only=False) as connection:
        for trigger in GUARD_TRIGGERS:
            connection.execute(sql.SQL("DROP TRIGGER IF EXISTS {} ON public.bare").format(sql.Identifier(trigger)))


def _row(project: Project, what: str, statement: str, size: int, statements: int) -> None:
    admin = project.target("production")
    app = dataclasses.replace(admin, user=project.settings.production.app_role)
    with connect(admin, read_only=False) as connection:
        connection.execute("CHECKPOINT")
    for durable in (True, False) if size == 1 else (True,):
        with connect(app, read_only=False) as session:
            if not durable:
                session.execute("SET synchronous_commit = off")
            times = _in_turn(session, statement, size, statements)
        verb = statement.split(" ", 1)[0]
        label = f"{verb} of {size:,} {'row' if size == 1 else 'rows'}, {what}"
        label += "" if durable else ", without waiting for the disk"
        one, other = (statistics.median(t) * 1e3 for t in times)
        spread = f"{min(times[0]) * 1e3:.2f} to {max(times[0]) * 1e3:.2f} ms"
        print(
            f"| {label} | {one:.2f} ms | {spread} | the same without | {other:.2f} ms | **{one / other:.2f}** | |",
            flush=True,
        )


def _in_turn(session: Connection, statement: str, size: int, statements: int) -> Sequence[list[float]]:
    """Seconds for one statement, of both tables: a warm-up of each, then A B A B …"""
    times: tuple[list[float], list[float]] = ([], [])
    for run in range(RUNS + 1):
        for which, table in enumerate(TABLES):
            query = statement.format(table).encode()
            started = time.perf_counter()
            for number in range(statements):
                first = 1 + (run * statements + number) * size % ROWS
                session.execute(query, (first, first + size - 1))
            if run:
                times[which].append((time.perf_counter() - started) / statements)
    return times


def _alone(project: Project) -> None:
    print("| what | median | min to max | beside | median | ratio of medians | goal |")
    print("|---|---|---|---|---|---|---|")
    measure(project)


if __name__ == "__main__":
    from tests.bench import main as bench

    bench.main(scripts=("",), work=_alone)
