"""What a verification costs beside a whole fingerprint: nothing changed, ten rows changed, four times the rows.

Part of ``make bench``; alone, on the narrow table only: ``PYTHONPATH=. python -P tests/bench/since.py``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.bench.timing import ROWS, head, in_turn, row

from ringfence.integrity import fingerprint, observe, since, wal_mark
from ringfence.integrity.fingerprint import Load
from ringfence.integrity.model import Observation
from ringfence.integrity.state import read_state
from ringfence.postgres.connection import connect
from ringfence.postgres.target import Target
from ringfence.workflow.comparison import wal_sources
from ringfence.workflow.project import Project

QUARTER = "CREATE TABLE public.quarter AS SELECT * FROM public.accounts WHERE aid <= {rows} / 4"
MD5 = """
SELECT count(*), sum(('x' || left(m, 16))::bit(64)::bigint), sum(('x' || right(m, 16))::bit(64)::bigint)
FROM (SELECT md5((t.*)::text) AS m FROM public.accounts AS t OFFSET 0) AS hashed
"""
"""128 bits, too, from the md5 of each row's text: both halves added up."""
DATA_DIFF = """
SELECT count(*), sum(('x' || substring(md5(
    coalesce(aid::varchar, '<null>') || '|' || coalesce(bid::varchar, '<null>') || '|' ||
    coalesce(abalance::varchar, '<null>') || '|' || coalesce(filler::varchar, '<null>')
), 18))::bit(60)::bigint)
FROM public.accounts
"""
"""The checksum that data-diff sends for these columns, over the whole table in one session."""


def verify_beside_fingerprint(project: Project) -> None:
    """Every comparison of a verification with the whole fingerprint of the same rows, in one run."""
    target = project.target("production")
    with connect(target, read_only=False) as connection:
        connection.execute(QUARTER.format(rows=ROWS).encode())
        connection.execute("VACUUM (FREEZE, ANALYZE)")
        connection.execute("CHECKPOINT")
    with observe.open_marked_snapshot(target, slots=wal_mark.slot_prefix("bench")) as snapshot:
        before = observe.observe(snapshot, observe.new_seeds(), workers=2)
    label = f"of {ROWS:,} rows"
    with _comparer(project, before, "accounts", full=True) as full, _comparer(project, before, "accounts") as ours:
        row(f"rows compared, nothing written, {label}", in_turn(ours, full), "its whole fingerprint", "at most 0.02")
    with connect(target, read_only=False) as connection:
        connection.execute("BEGIN; UPDATE public.accounts SET abalance = 1 WHERE aid <= 10; ROLLBACK")
        connection.execute("VACUUM public.accounts")
    with _comparer(project, before, "accounts", full=True) as full, _comparer(project, before, "accounts") as ours:
        what = f"rows compared, rolled back and vacuumed, {label}"
        row(what, in_turn(ours, full), "its whole fingerprint", "at most 0.02")
    with connect(target, read_only=False) as connection:
        for table, rows in (("accounts", ROWS), ("quarter", ROWS // 4)):
            for number in range(10):
                query = f"UPDATE public.{table} SET abalance = abalance + 1 WHERE aid = %s"
                connection.execute(query.encode(), (1 + number * rows // 10,))
    with (
        _comparer(project, before, "accounts", full=True) as full,
        _comparer(project, before, "accounts") as ours,
        _comparer(project, before, "quarter") as quarter,
    ):
        what = f"rows compared, ten updated far apart, {label}"
        row(what, in_turn(ours, full), "its whole fingerprint", "at most 0.02")
        row(what, in_turn(ours, quarter), f"the same of {ROWS // 4:,} rows", "less than 1.3")
    fingerprint_beside_others(project, before)


def fingerprint_beside_others(project: Project, before: Observation) -> None:
    """The 128-bit fingerprint of a narrow table beside what else reads every row, in one process of the server.

    The fingerprint is what a verification takes that reads every row. A baseline's has more and smaller ranges.
    """
    target, label = project.target("production"), f"fingerprint of {ROWS:,} rows"
    with (
        connect(target) as connection,
        observe.open_snapshot(target) as snapshot,
        _comparer(project, before, "accounts", full=True) as whole,
        _comparer(project, before, "accounts", full=True, workers=2) as by_two,
    ):
        connection.execute("SET max_parallel_workers_per_gather = 0")
        connection.execute("SET enable_indexonlyscan = off")  # count(*) is to read the table, too
        chosen = [t for t in snapshot.tables if t.name.name == "accounts"]

        def in_ranges() -> None:
            load = Load(workers=1)
            fingerprint.digest_whole(target, chosen, before.seeds, snapshot=snapshot.name, load=load)

        def plain(query: str) -> Callable[[], object]:
            return lambda: connection.execute(query.encode()).fetchone()

        one, two = f"{label}, one session", f"{label}, two sessions"
        count, text = (
            "SELECT count(*) FROM public.accounts",
            "SELECT sum(length((t.*)::text)) FROM public.accounts AS t",
        )
        row(one, in_turn(whole, plain(count)), "sequential `count(*)`", "at most 5")
        with _in_its_own_process(target):
            what = "sequential `count(*)`, no process of the server reads ahead for either"
            row(one, in_turn(whole, plain(count)), what, "at most 5")
        row(f"{one}, as a baseline keeps it", in_turn(in_ranges, plain(count)), "sequential `count(*)`", "")
        row(one, in_turn(whole, plain(text)), "`sum(length((t.*)::text))`", "at most 0.5")
        row(two, in_turn(by_two, whole), "one session", "at most 0.63")
        row(one, in_turn(whole, plain(MD5)), "`md5(row::text)`, both halves summed", "at most 0.2")
        row(one, in_turn(whole, plain(DATA_DIFF)), "`data-diff`'s checksum query", "at most 0.125")
        row(two, in_turn(by_two, plain(DATA_DIFF)), "`data-diff`'s checksum query", "at most 0.125")


@contextlib.contextmanager
def _in_its_own_process(target: Target) -> Iterator[None]:
    """From version 18 on a server has processes that read ahead for sessions; without them a session is one process."""
    _set_read_ahead(target, "0")
    try:
        yield
    finally:
        _set_read_ahead(target, "DEFAULT")


def _set_read_ahead(target: Target, value: str) -> None:
    with connect(target, read_only=False) as connection:
        connection.execute(f"ALTER SYSTEM SET effective_io_concurrency = {value}".encode())
        connection.execute("SELECT pg_catalog.pg_reload_conf()")
    time.sleep(1)  # until every session has taken it up


@contextlib.contextmanager
def _comparer(
    project: Project, before: Observation, table: str, *, full: bool = False, workers: int = 1
) -> Iterator[Callable[[], object]]:
    """What compares the rows of one table with the baseline, in a snapshot that is held."""
    with observe.open_snapshot(project.target("production")) as snapshot:
        chosen = replace(snapshot, tables=tuple(t for t in snapshot.tables if t.name.name == table))
        state = read_state(snapshot.connection, seed=before.seeds.first)
        readers = wal_sources.readers(project)

        def act() -> None:
            found = since.rows_since(chosen, before, state, readers=readers, load=Load(workers=workers), full=full)
            assert found.proof == ("fingerprint" if full else "wal"), found.reasons

        yield act


def _alone(project: Project) -> None:
    head()
    verify_beside_fingerprint(project)


if __name__ == "__main__":
    from tests.bench import main as bench

    bench.main(scripts=(bench.NARROW,), work=_alone)
