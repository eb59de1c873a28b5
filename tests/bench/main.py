"""``make bench``: both sides of each comparison in one run, in turn, medians; prints the table of docs/benchmarks.md.

Everything happens in a scratch directory on free ports. Rows: ``RINGFENCE_BENCH_ROWS`` (default 10,000,000).
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench import data_diff, formats, guard, live, restores, since, strict
from tests.bench.timing import ROWS, RUNS, head, in_turn, program, row

from ringfence.config import template
from ringfence.engines import ports
from ringfence.integrity import fingerprint, observe
from ringfence.integrity.expression import digest_query
from ringfence.integrity.fingerprint import Load
from ringfence.postgres import programs
from ringfence.postgres.connection import connect
from ringfence.workflow.backups.backup import create_backup
from ringfence.workflow.comparison.diff import diff
from ringfence.workflow.project import Project, open_project
from ringfence.workflow.servers import environments

NARROW = """
CREATE TABLE public.accounts (aid int NOT NULL PRIMARY KEY, bid int, abalance int, filler char(84));
INSERT INTO public.accounts SELECT n, n / 100000 + 1, (n * 7) % 10007 - 5000, ''
FROM pg_catalog.generate_series(1, {rows}) AS n;
"""
WIDE = """
CREATE TABLE public.wide (
    id bigint PRIMARY KEY, name text NOT NULL, price numeric(12, 2), at timestamptz, data jsonb, tags text[],
    active boolean, token uuid, weight double precision, day date, ratio numeric
);
INSERT INTO public.wide
SELECT n, 'name ' || n, n * 1.5, timestamptz '2024-01-01+00' + n * interval '1 s',
       pg_catalog.jsonb_build_object('a', n, 'b', 'x' || n), ARRAY['t' || n, 'u'], n % 2 = 0,
       pg_catalog.md5(n::text)::uuid, n * 0.1, date '2024-01-01' + n % 1000, n * 1.001
FROM pg_catalog.generate_series(1, {rows} / 5) AS n;
"""


class Quiet:
    """No progress."""

    def say(self, text: str) -> None:
        """Nothing."""

    def advance(self, label: str, done: float, total: float) -> None:
        """Nothing."""

    def agent(self, text: str) -> None:
        """Nothing."""


def main(scripts: Sequence[str] | None = None, work: Callable[[Project], None] | None = None) -> None:
    """Measure and print: everything, or ``work`` on the data of ``scripts``."""
    place = Path(tempfile.mkdtemp(prefix="ringfence-bench-"))
    place.chmod(0o711)
    os.environ |= {f"XDG_{n}_HOME": str(place / n.lower()) for n in ("CONFIG", "STATE", "DATA")}
    try:
        project = stage(place, (NARROW, WIDE) if scripts is None else scripts)
        try:
            (work or measure)(project)
        finally:
            for environment in environments.BOTH:
                project.engine(environment).stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def stage(place: Path, scripts: Sequence[str]) -> Project:
    """Two servers and the data."""
    root = place / "project"
    root.mkdir()
    text = template.initial_config()
    for port in ("4546", "2346"):
        text = text.replace(f"db_port = {port}", f"db_port = {ports.free_port()}")
    (root / "ringfence.toml").write_text(text)
    project = open_project(root / "ringfence.toml", start=root, environ=os.environ)
    environments.up(project, environments.BOTH, Quiet())
    with connect(project.target("production"), read_only=False) as connection:
        for script in scripts:
            for statement in script.format(rows=ROWS).split(";\n"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    return project


def measure(project: Project) -> None:
    """Every comparison of docs/benchmarks.md."""
    chosen = programs.choose(project.programs)
    print(f"Machine: {platform.machine()}, {os.cpu_count()} processors, Linux {platform.release()}.", end=" ")
    print(f"PostgreSQL {chosen.major}.{chosen.minor}, Python {platform.python_version()}. {RUNS} runs each, in turn.\n")
    head()
    backup_beside_pg_dump(project)
    verify_beside_full(project)
    restores.reset_beside_pg_restore(project)
    for table in ("accounts", "wide"):
        fingerprint_beside_text(project, table)
    diff_beside_fingerprint(project)
    since.verify_beside_fingerprint(project)
    live.cost_of_live(project)
    guard.measure()
    formats.cost_of_formats(project, RUNS)
    strict.measure(project)


def backup_beside_pg_dump(project: Project) -> None:
    """The whole command beside the whole program, on the same database."""
    target = project.target("production")
    chosen = programs.choose(project.programs)
    plain = project.paths.state_directory / "plain.dump"
    pg_dump = [str(chosen.path("pg_dump")), "-Fc", "-w", f"--file={plain}", f"--dbname={target.conninfo()}"]
    command = [str(Path(sys.executable).with_name("ringfence")), "backup", "create"]
    both = in_turn(lambda: program(command, project.settings.root), lambda: program(pg_dump, project.settings.root))
    size = plain.stat().st_size / 1e6
    plain.unlink()
    row(f"`backup create`, {ROWS:,} + {ROWS // 5:,} rows", both, f"plain `pg_dump -Fc` ({size:.0f} MB)", "at most 1.25")


def verify_beside_full(project: Project) -> None:
    """The whole command on a database in which nothing has changed, by the WAL and by reading every row."""
    command, root = [str(Path(sys.executable).with_name("ringfence")), "verify"], project.settings.root
    both = in_turn(lambda: program(command, root), lambda: program([*command, "--full"], root))
    row(f"the command `verify`, nothing changed, {ROWS:,} + {ROWS // 5:,} rows", both, "`verify --full`", "under 1 s")


def fingerprint_beside_text(project: Project, table: str) -> None:
    """128-bit fingerprint of one table in one session, and in two, beside serialising and beside counting."""
    target, seeds = project.target("production"), observe.new_seeds()
    with connect(target) as session, observe.open_snapshot(target) as snapshot:
        session.execute("SET max_parallel_workers_per_gather = 0")
        session.execute("SET enable_indexonlyscan = off")  # count(*) is to read the table, too
        found = next(t for t in snapshot.tables if t.name.name == table)
        whole = digest_query(found.name.schema, found.name.name, found.columns, seeds, blocks=None)
        name = f'public."{table}"'

        def run(query: object) -> Callable[[], object]:
            return lambda: session.execute(query).fetchone()  # type: ignore[call-overload]

        def split(workers: int) -> Callable[[], object]:
            return lambda: fingerprint.digest_whole(
                target, [found], seeds, snapshot=snapshot.name, load=Load(workers=workers)
            )

        text = run(f"SELECT pg_catalog.sum(pg_catalog.length((t.*)::text)) FROM {name} AS t")
        rows = ROWS if table == "accounts" else ROWS // 5
        label = f"fingerprint of `{table}`, {rows:,} rows"
        narrow = table == "accounts"
        goal = "at most 0.5" if narrow else "at most 1.0"
        row(f"{label}, one session", in_turn(run(whole), text), "`sum(length((t.*)::text))`", goal)
        row(f"{label}, two sessions", in_turn(split(2), text), "`sum(length((t.*)::text))`", "")
        row(
            f"{label}, one session",
            in_turn(run(whole), run(f"SELECT pg_catalog.count(*) FROM {name}")),
            "sequential `count(*)`",
            "at most 5" if narrow else "",
        )


def diff_beside_fingerprint(project: Project) -> None:
    """One changed row of the large table: from where it lies to its old and new values, beside reading it once."""
    target, seeds = project.target("production"), observe.new_seeds()
    create_backup(project, issue=None, progress=Quiet())
    with connect(target, read_only=False) as session:
        session.execute("UPDATE public.accounts SET abalance = abalance + 1 WHERE aid = %s", (ROWS // 2,))

    def rows(full: bool) -> None:
        found = diff(project, None, tables=["accounts"], limit=10, progress=Quiet(), full=full).tables
        assert [r.change for r in found[0].rows] == ["update"], found

    rows(full=False)  # makes the reference; the work that is measured begins with it
    command = [str(Path(sys.executable).with_name("ringfence")), "diff"]
    label = f"one changed row of `accounts`, {ROWS:,} rows"
    ways = {
        f"{label}: `diff`, by the WAL": lambda: rows(full=False),
        f"{label}: `diff --full`, every row read": lambda: rows(full=True),
    }
    data_diff.rows_beside_data_diff(project, ways)
    beside = "one fingerprint of it, one session"
    with connect(target) as session, observe.open_snapshot(target) as snapshot:
        session.execute("SET max_parallel_workers_per_gather = 0")
        table = next(t for t in snapshot.tables if t.name.name == "accounts")
        whole = digest_query(table.name.schema, table.name.name, table.columns, seeds, blocks=None)

        def once() -> None:
            session.execute(whole).fetchone()

        for what, ours in ways.items():
            row(what, in_turn(ours, once), beside, "at most 2.5")
        both = in_turn(lambda: program(command, project.settings.root), once)
        row(f"{label}: the command `ringfence diff`, all tables", both, beside, "at most 2.5")
    with connect(target, read_only=False) as session:
        session.execute("VACUUM FULL public.accounts")
    with connect(target) as session:
        session.execute("SET max_parallel_workers_per_gather = 0")
        what = f"{label}: `diff` after VACUUM FULL, every row of both databases read"
        row(what, in_turn(lambda: rows(full=False), lambda: session.execute(whole).fetchone()), beside, "")


if __name__ == "__main__":
    main()
