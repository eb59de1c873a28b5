"""What a verification costs beside a whole fingerprint: nothing changed, ten rows changed, four times the rows.

Part of ``make bench``; alone, on the narrow table only: ``PYTHONPATH=. python -P tests/bench/since.py``.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from ringfence.integrity import fingerprint, observe, since, wal_mark
from ringfence.integrity.fingerprint import Load
from ringfence.integrity.model import Observation
from ringfence.integrity.state import read_state
from ringfence.postgres.connection import connect
from ringfence.workflow import wal_sources
from ringfence.workflow.project import Project

ROWS = int(os.environ.get("RINGFENCE_BENCH_ROWS", "5000000"))
RUNS = int(os.environ.get("RINGFENCE_BENCH_RUNS", "5"))
QUARTER = "CREATE TABLE public.quarter AS SELECT * FROM public.accounts WHERE aid <= {rows} / 4"
MD5 = """
SELECT count(*), sum(('x' || substring(md5((t.*)::text), 18))::bit(60)::bigint) FROM public.accounts AS t
"""
"""60 bits of the md5 of each row's text, added up: how data-diff sums a segment's checksum."""
DATA_DIFF = """
SELECT count(*), sum(('x' || substring(md5(
    coalesce(aid::varchar, '<null>') || '|' || coalesce(bid::varchar, '<null>') || '|' ||
    coalesce(abalance::varchar, '<null>') || '|' || coalesce(filler::varchar, '<null>')
), 18))::bit(60)::bigint)
FROM public.accounts
"""
"""The checksum that data-diff sends for these columns, over the whole table in one session."""


def timed(act: Callable[[], object], runs: int = RUNS) -> list[float]:
    """One warm-up, then so many runs, in seconds."""
    times = []
    for number in range(runs + 1):
        started = time.perf_counter()
        act()
        if number:
            times.append(time.perf_counter() - started)
    return times


def verify_beside_fingerprint(project: Project) -> None:
    """Every comparison of a verification with the whole fingerprint of the same rows, in one run."""
    target = project.target("production")
    with connect(target, read_only=False) as connection:
        connection.execute(QUARTER.format(rows=ROWS).encode())
        connection.execute("VACUUM (FREEZE, ANALYZE)")
        connection.execute("CHECKPOINT")
    with observe.open_marked_snapshot(target, slots=wal_mark.slot_prefix("bench")) as snapshot:
        before = observe.observe(snapshot, observe.new_seeds(), workers=2)
    full = _rows(project, before, "accounts", full=True)
    label = f"of {ROWS:,} rows"
    _row(f"rows compared, nothing written, {label}", _rows(project, before, "accounts"), full, "at most 0.02")
    with connect(target, read_only=False) as connection:
        connection.execute("BEGIN; UPDATE public.accounts SET abalance = 1 WHERE aid <= 10; ROLLBACK")
        connection.execute("VACUUM public.accounts")
    _row(f"rows compared, rolled back and vacuumed, {label}", _rows(project, before, "accounts"), full, "at most 0.02")
    with connect(target, read_only=False) as connection:
        for table, rows in (("accounts", ROWS), ("quarter", ROWS // 4)):
            for number in range(10):
                query = f"UPDATE public.{table} SET abalance = abalance + 1 WHERE aid = %s"
                connection.execute(query.encode(), (1 + number * rows // 10,))
    changed, quarter = _rows(project, before, "accounts"), _rows(project, before, "quarter")
    _row(f"rows compared, ten updated far apart, {label}", changed, full, "at most 0.02")
    _row(f"the same {label}", changed, quarter, "less than 1.3", f"the same of {ROWS // 4:,} rows")
    one = _whole(project, before, workers=1)
    session = f"fingerprint {label}, one session"
    _row(session, one, _plain(project, "SELECT count(*) FROM public.accounts AS t"), "at most 5", "`count(*)`")
    text = "SELECT sum(length((t.*)::text)) FROM public.accounts AS t"
    _row(session, one, _plain(project, text), "at most 0.5", "`sum(length((t.*)::text))`")
    _row(f"fingerprint {label}, two sessions", _whole(project, before, workers=2), one, "at most 0.63", "one session")
    _row(session, one, _plain(project, MD5), "at most 0.2", "sum of `md5(row::text)`")
    _row(session, one, _plain(project, DATA_DIFF), "at most 0.125", "`data-diff`'s checksum query")


def _rows(project: Project, before: Observation, table: str, *, full: bool = False) -> list[float]:
    with observe.open_snapshot(project.target("production")) as snapshot:
        chosen = replace(snapshot, tables=tuple(t for t in snapshot.tables if t.name.name == table))
        state = read_state(snapshot.connection, seed=before.seeds.first)
        readers = wal_sources.readers(project)

        def act() -> None:
            found = since.rows_since(chosen, before, state, readers=readers, load=Load(workers=1), full=full)
            assert found.proof == ("fingerprint" if full else "wal"), found.reasons

        return timed(act)


def _whole(project: Project, before: Observation, *, workers: int) -> list[float]:
    target = project.target("production")
    with observe.open_snapshot(target) as snapshot:
        chosen = [t for t in snapshot.tables if t.name.name == "accounts"]
        return timed(
            lambda: fingerprint.digest_whole(
                target, chosen, before.seeds, snapshot=snapshot.name, load=Load(workers=workers)
            )
        )


def _plain(project: Project, query: str) -> list[float]:
    """A query in one process of the server."""
    with connect(project.target("production")) as connection:
        connection.execute("SET max_parallel_workers_per_gather = 0")
        return timed(lambda: connection.execute(query.encode()).fetchone(), runs=2)


def _row(what: str, one: list[float], other: list[float], goal: str, beside: str = "its whole fingerprint") -> None:
    mine, theirs = statistics.median(one), statistics.median(other)
    spread = f"{min(one):.3f} to {max(one):.3f} s"
    print(
        f"| {what} | {mine:.3f} s | {spread} | {beside} | {theirs:.3f} s | **{mine / theirs:.3f}** | {goal} |",
        flush=True,
    )


def _alone(project: Project) -> None:
    print("| what | median | min to max | beside | median | ratio of medians | goal |")
    print("|---|---|---|---|---|---|---|")
    verify_beside_fingerprint(project)


if __name__ == "__main__":
    from tests.bench import main as bench

    bench.main(scripts=(bench.NARROW,), work=_alone)
