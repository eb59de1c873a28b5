"""What a dump costs: format, compression and jobs, each beside the default; seconds to dump, to restore, and bytes.

Alone: ``PYTHONPATH=. python -P tests/bench/formats.py``. Compressions that the ``pg_dump`` in use was built without are
left out, and said to be.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from psycopg import sql

from ringfence import files
from ringfence.backup import compression, dump
from ringfence.backup.compression import Compression
from ringfence.backup.dump import Method
from ringfence.backup.formats.choice import CUSTOM, FORMATS
from ringfence.backup.restore import restore
from ringfence.errors import BackupError
from ringfence.integrity import observe
from ringfence.postgres import databases, programs
from ringfence.postgres.connection import connect
from ringfence.workflow.project import Project

COMPRESSIONS = ("none", "gzip:2", "gzip:6", "lz4", "zstd")
JOBS = (1, 2)
_TIMEOUT_S = 3600.0


@dataclass(kw_only=True)
class Line:
    """One line of the table: a method and the seconds that each run took."""

    method: Method
    size_bytes: int = 0
    dumping: list[float] = field(default_factory=list)
    restoring: list[float] = field(default_factory=list)


def cost_of_formats(project: Project, runs: int) -> None:
    """Every method in turn, ``runs`` times; the first round is a warm-up and not counted."""
    chosen = programs.choose(project.programs)
    known = []
    for text in COMPRESSIONS:
        try:
            compression.require(chosen, Compression.parse(text), where="production")
            known.append(Compression.parse(text))
        except BackupError as error:
            print(f"Left out: {error.message}.", flush=True)
    lines = [
        Line(method=Method(form=form, jobs=jobs, compression=how))
        for form in FORMATS.values()
        for how in known
        for jobs in JOBS
    ]
    make_roles(project)
    for number in range(runs + 1):
        for line in lines:
            _once(project, chosen, line, counted=number > 0)
    plain = next(
        s for s in lines if (s.method.form, s.method.jobs, s.method.compression) == (CUSTOM, 1, compression.FASTEST)
    )
    print(
        "\n| format | compression | jobs | dump | restore | bytes | beside the first default: dump | restore | bytes |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for line in lines:
        _print(line, plain)


def make_roles(project: Project) -> None:
    """The roles that production's tables name, on the test server; a reseed would have made them."""
    production = project.settings.production
    with connect(project.engine("test").target("postgres"), read_only=False) as admin:
        for role in (production.admin_role, production.app_role):
            if not admin.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", (role,)).fetchone():
                admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))


def _once(project: Project, chosen: programs.Programs, line: Line, *, counted: bool) -> None:
    path = project.paths.state_directory / "measured.dump"
    target = project.target("test").on("measured")

    def dumping() -> None:
        dump.dump(chosen, source, path, method=line.method, snapshot=snapshot.name, timeout_s=_TIMEOUT_S)

    def restoring() -> None:
        jobs, form = line.method.jobs, line.method.form
        restore(chosen, path, target, form=form, jobs=jobs, timeout_s=_TIMEOUT_S, server="test")

    source = project.target("production")
    with observe.open_snapshot(source) as snapshot:
        took = _seconds(dumping)
    size = line.method.form.measure(path).size_bytes
    with connect(project.engine("test").target("postgres"), read_only=False) as admin:
        databases.drop(admin, "measured")
        admin.execute("CREATE DATABASE measured TEMPLATE template0")
        back = _seconds(restoring)
        databases.drop(admin, "measured")
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if counted:
        line.size_bytes = size
        line.dumping.append(took)
        line.restoring.append(back)


def _seconds(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _print(line: Line, plain: Line) -> None:
    dumped, back = statistics.median(line.dumping), statistics.median(line.restoring)
    ratios = (
        dumped / statistics.median(plain.dumping),
        back / statistics.median(plain.restoring),
        line.size_bytes / plain.size_bytes,
    )
    told = " | ".join(f"{r:.2f}" for r in ratios)
    method = line.method
    print(
        f"| {method.form.name} | {method.compression} | {method.jobs} | {dumped:.2f} s | {back:.2f} s | "
        f"{files.bytes_text(line.size_bytes)} | {told} |",
        flush=True,
    )


if __name__ == "__main__":
    from tests.bench import main

    runs = int(os.environ.get("RINGFENCE_BENCH_RUNS", "3"))
    main.main(work=lambda project: cost_of_formats(project, runs))
