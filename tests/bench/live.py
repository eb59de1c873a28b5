"""What the witness costs the application: the same transactions on tables with and without its trigger, in turn.

Part of ``make bench``; alone: ``PYTHONPATH=. python -P tests/bench/live.py``.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Sequence

import psycopg

from ringfence.integrity import live, observe, wal_mark, witness
from ringfence.integrity.attribution import Application
from ringfence.integrity.live_rules import Attribution
from ringfence.integrity.model import Observation
from ringfence.integrity.state import read_state
from ringfence.postgres.connection import connect
from ringfence.postgres.target import Target
from ringfence.workflow.comparison import wal_sources
from ringfence.workflow.project import Project

ROWS = 100_000
TRANSACTIONS = int(os.environ.get("RINGFENCE_BENCH_TRANSACTIONS", "2000"))
TURNS = 10
TABLES = ("with_witness", "without_witness")
SETUP = """
CREATE TABLE public.{table} (id int PRIMARY KEY, v int, filler char(84));
INSERT INTO public.{table} SELECT n, 0, '' FROM generate_series(1, {rows}) AS n;
CREATE SEQUENCE public.{table}_id START {next};
GRANT SELECT, INSERT, UPDATE ON public.{table} TO {role};
GRANT USAGE ON SEQUENCE public.{table}_id TO {role}
"""
UPDATE = "UPDATE public.{table} SET v = v + 1 WHERE id = %s"
INSERT = "INSERT INTO public.{table} VALUES (nextval('public.{table}_id'), %s, '')"
MANY = "UPDATE public.{table} SET v = v + 1 WHERE id BETWEEN %s AND %s + 999"


def cost_of_live(project: Project) -> None:
    """One transaction of one statement by the application's role, and reading what it left in the WAL."""
    admin, role = project.target("production"), project.settings.production.app_role
    application = Application(role=role)
    with connect(admin, read_only=False) as connection:
        for table in TABLES:
            text = SETUP.format(table=table, rows=ROWS, next=ROWS + 1, role=role)
            for statement in text.split(";\n"):
                connection.execute(statement.encode())
        major = connection.info.server_version // 10000
        witness.run(connection, witness.plan(witness.read(connection, application), application, major=major))
        connection.execute(f"DROP TRIGGER {witness.TRIGGER} ON public.{TABLES[1]}".encode())
        connection.execute("VACUUM (FREEZE, ANALYZE)")
        connection.execute("CHECKPOINT")
    with observe.open_marked_snapshot(admin, slots=wal_mark.slot_prefix("bench of live")) as snapshot:
        before = observe.observe(snapshot, observe.new_seeds(), workers=2)
    app = Target(host=admin.host, port=admin.port, database=admin.database, user=role, passfile=admin.passfile)
    for synchronous in ("on", "off"):
        for label, query, numbers in (("one row updated", UPDATE, 1), ("one row inserted", INSERT, 1)):
            _row(f"{label}, commit {_waits(synchronous)}", *_in_turn(app, query, numbers, synchronous, TRANSACTIONS))
    _row("1,000 rows updated by one statement", *_in_turn(app, MANY, 2, "off", TRANSACTIONS // 20))
    _reading(project, before, application)
    wal_mark.sweep(admin, prefix=wal_mark.slot_prefix("bench of live"), keep=())
    with connect(admin, read_only=False) as connection:
        witness.run(connection, witness.removal(connection))
        for table in TABLES:
            connection.execute(f"DROP TABLE public.{table}; DROP SEQUENCE public.{table}_id".encode())


def _waits(synchronous: str) -> str:
    return "waits for the disk" if synchronous == "on" else "does not wait"


def _in_turn(app: Target, query: str, numbers: int, synchronous: str, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of a transaction, with and without the trigger: the median of each turn."""
    times: tuple[list[float], list[float]] = ([], [])
    dice = random.Random(1)
    with psycopg.connect(app.conninfo(), autocommit=True) as connection:
        connection.execute(f"SET synchronous_commit = {synchronous}".encode())
        for turn in range(TURNS + 1):
            for number, table in enumerate(TABLES):
                took = _timed(connection, query.format(table=table), numbers, count // TURNS, dice)
                if turn:
                    times[number].append(took)
    return times


def _timed(
    connection: psycopg.Connection[tuple[object, ...]], query: str, numbers: int, count: int, dice: random.Random
) -> float:
    times = []
    for _ in range(count):
        at = dice.randint(1, ROWS - 1000)
        started = time.perf_counter()
        connection.execute(query.encode(), (at,) * numbers, prepare=True)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _reading(project: Project, before: Observation, application: Application) -> None:
    """Telling who wrote: the WAL of all of the above, read once."""
    with observe.open_snapshot(project.target("production")) as snapshot:
        state = read_state(snapshot.connection, seed=before.seeds.first)
        end = wal_mark.position(snapshot.connection)[0]
        assert before.mark is not None
        query = "SELECT pg_wal_lsn_diff(%s, %s)"
        size = snapshot.connection.execute(query, (end, before.mark.start)).fetchone()
        readers = wal_sources.readers(project)
        found: list[Attribution] = []

        def act() -> None:
            found[:] = [live.attribute(snapshot, before, state, readers=readers, application=application)]

        times = [_seconds(act) for _ in range(3)]
    assert found[0].unknown is None, found[0].unknown
    wrote = sum(w.transactions for w in found[0].tables.values())
    megabytes = float(size[0]) / 1e6 if size else 0.0
    print(
        f"| telling who wrote, {megabytes:.0f} MB of WAL, {wrote:,} transactions of the application | "
        f"{statistics.median(times):.2f} s | {min(times):.2f} to {max(times):.2f} s |  |  |  |  |",
        flush=True,
    )


def _seconds(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _row(what: str, mine: Sequence[float], theirs: Sequence[float]) -> None:
    one, other = statistics.median(mine), statistics.median(theirs)
    print(
        f"| {what} | {one:.3f} ms | {min(mine):.3f} to {max(mine):.3f} ms | without the trigger | {other:.3f} ms | "
        f"**{one / other:.2f}** |  |",
        flush=True,
    )


def _alone(project: Project) -> None:
    print("| what | median | min to max | beside | median | ratio of medians | goal |")
    print("|---|---|---|---|---|---|---|")
    cost_of_live(project)


if __name__ == "__main__":
    from tests.bench import main as bench

    bench.main(scripts=(), work=_alone)
