"""The crash matrix: the command is stopped at every marked point, and it, its child, or both are killed with SIGKILL.

The child is the PostgreSQL program that runs at that moment, or where none does the server's own processes that work
for the command; killing those makes the server restart. After every kill the invariants are looked at from outside,
then the same command runs again, must end well, and must leave nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import psycopg
import pytest
from tests.faults.test_kills import children
from tests.postgres.workflow.stage import MAJORS, Quiet, Stage, World, wait_until

from ringfence import crashpoint, process
from ringfence.backup.formats.choice import format_of
from ringfence.postgres.connection import connect
from ringfence.postgres.identity import read_stamp
from ringfence.workflow.backups.backup import create_backup
from ringfence.workflow.backups.reseed import reseed

pytestmark = pytest.mark.postgres

Victim = Literal["tool", "child", "both"]
VICTIMS: tuple[Victim, ...] = ("tool", "child", "both")
KEEP = 3
ATTEMPTS = 8
TIMED = (".dump_begun", ".dumping", ".restoring")
"""Points that are reached only while a child works: one that is quicker than the next look at it goes unseen."""
ITEMS, PARTS = 150_000, 5_000
SAMPLE = (
    "CREATE TABLE public.item (id serial PRIMARY KEY, words text)",
    f"INSERT INTO public.item (words) SELECT md5(i::text) FROM generate_series(1, {ITEMS}) i",
    "CREATE TABLE public.part (id serial PRIMARY KEY, item int REFERENCES public.item)",
    f"INSERT INTO public.part (item) SELECT i FROM generate_series(1, {PARTS}) i",
    "CREATE INDEX ON public.item (words)",
)
DAMAGE = "UPDATE public.item SET words = 'agent' WHERE id <= 10"
WHOLE = f"""
SELECT (SELECT count(*) FROM public.item) = {ITEMS} AND (SELECT count(*) FROM public.part) = {PARTS}
   AND (SELECT count(*) FROM pg_constraint WHERE conrelid IN ('public.item'::regclass, 'public.part'::regclass)
        AND contype IN ('p', 'f') AND convalidated) = 3
   AND (SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid = 'public.item'::regclass) = 2,
       (SELECT count(*) FROM public.item WHERE words = 'agent')
"""

BACKUP = ("start", "locked", "snapshot", "dump_begun", "dumping", "baseline", "dumped", "before_sync", "before_rename")
BACKUP += ("renamed", "manifest_staged", "published", "before_removal", "removing", "manifest_removed", "removed")
REFERENCE = ("before_drop", "dropped")
MAKING = ("created", "restoring", "restored", "compared")
RESEED = ("copied", "before_swap", "between_renames", "after_swap")
RESTORE = ("start", "backed_up", "before_create", "properties", "before_swap", "between_renames", "after_swap")
RESTORE += ("remembered",)
POINTS = {
    "backup": [f"backup.{p}" for p in BACKUP],
    "reseed": [f"reference.{p}" for p in (*REFERENCE, *MAKING)] + [f"reseed.{p}" for p in RESEED],
    "verify": ["verify.reading", "verify.compared"],
    "restore": [f"restore.{p}" for p in RESTORE] + [f"restoring.{p}" for p in MAKING],
}
CASES = [(command, point, victim) for command, points in POINTS.items() for point in points for victim in VICTIMS]
QUICK = {
    ("backup", "backup.dumping", "child"),
    ("backup", "backup.renamed", "tool"),
    ("restore", "restore.between_renames", "tool"),
    ("restore", "restoring.restoring", "both"),
}
"""What the default suite runs; `make test-long` runs all."""


IN_DIRECTORIES = ("dumping", "dumped", "before_sync", "before_rename", "renamed", "manifest_staged", "removing")
IN_DIRECTORIES += ("manifest_removed",)
DIRECTORY_CASES = [("backup", f"backup.{point}", victim) for point in IN_DIRECTORIES for victim in VICTIMS]
DIRECTORY_CASES += [("restore", "restoring.restoring", victim) for victim in VICTIMS]
"""Where it makes a difference that a dump is a directory, and that several sessions write or read it."""


def parameters() -> Iterator[object]:
    for case in CASES:
        marks = () if case in QUICK else (pytest.mark.long,)
        yield pytest.param(*case, marks=marks, id=" ".join(case[1:]))


@contextlib.contextmanager
def prepared(world: World, toml: str) -> Iterator[Stage]:
    """A project with backups, a test database and a reference; every case puts back what it changed."""
    with world.stage(MAJORS[0], MAJORS[0], toml=f"\n[backup]\nkeep = {KEEP}\n{toml}") as stage:
        stage.run("production", *SAMPLE)
        create_backup(stage.project, issue=None, progress=Quiet())
        reseed(stage.project, None, fresh_start=True, progress=Quiet())
        yield stage


@pytest.fixture(scope="module")
def ground(world: World) -> Iterator[Stage]:
    with prepared(world, "") as stage:
        yield stage


@pytest.fixture(scope="module")
def directory_ground(world: World) -> Iterator[Stage]:
    with prepared(world, 'format = "directory"\njobs = 2\n') as stage:
        yield stage


def test_there_are_at_least_72_kills() -> None:
    assert len(CASES) >= 72 and len(set(CASES)) == len(CASES)
    source = Path(crashpoint.__file__).parent
    named = {word for path in source.rglob("*.py") for word in _points_in(path.read_text())}
    named.remove("journal.created")  # those of the journal are in `test_run_matrix`
    assert named == {point for points in POINTS.values() for point in points}, "every marked point is in the matrix"


def _points_in(text: str) -> Iterator[str]:
    for piece in text.split("crashpoint(")[1:]:
        argument = piece.partition(")")[0]
        if argument.startswith('"'):
            yield argument.strip('"')
        elif argument.startswith('f"{purpose}.'):
            yield from (f"{purpose}.{argument[12:-1]}" for purpose in ("reference", "restoring"))


@pytest.mark.parametrize(("command", "point", "victim"), list(parameters()))
def test_killed_at(ground: Stage, command: str, point: str, victim: Victim) -> None:
    one_kill(ground, command, point, victim)


@pytest.mark.long
@pytest.mark.parametrize(("command", "point", "victim"), DIRECTORY_CASES, ids=lambda w: str(w))
def test_killed_at_with_directories(directory_ground: Stage, command: str, point: str, victim: Victim) -> None:
    one_kill(directory_ground, command, point, victim)


def one_kill(ground: Stage, command: str, point: str, victim: Victim) -> None:
    for _ in range(ATTEMPTS):
        newest, words = prepare(ground, command, point)
        stopped = stop_at(ground, words, point)
        if stopped is not None:
            break
    else:
        pytest.fail(f"it ended {ATTEMPTS} times and never came to {point}")
    code = kill(ground, stopped, victim)
    assert code != 0 or victim == "child"
    invariants(ground, newest)
    if code == 0:
        end_state(ground, command)
    done = ground.cli(*words)
    assert done.returncode == 0, f"{point} {victim}: {done.stderr}"
    end_state(ground, command)
    invariants(ground, newest)
    nothing_is_left(ground)


# --- one case, step by step -------------------------------------------------------------------------------------------


def prepare(stage: Stage, command: str, point: str) -> tuple[str, list[str]]:
    """What the command needs to come past its point. Returns the newest good backup and the command line."""
    newest = stage.project.store.newest().id
    if command == "backup":
        while len(stage.project.store.entries()) < KEEP:
            create_backup(stage.project, issue=None, progress=Quiet())
        return stage.project.store.newest().id, ["backup", "create"]
    if command == "verify":
        return newest, ["verify", "--full"]
    if command == "reseed":
        stage.run("test", DAMAGE)
        if point.startswith("reference."):
            for name in own(stage, "test", "reference"):
                stage.run("test", f'ALTER DATABASE "{name}" RESET ringfence.baseline', database="postgres")
        return newest, ["reseed"]
    stage.run("production", DAMAGE)
    first = [] if point == "restore.backed_up" else ["--no-backup-first"]
    return newest, ["restore", newest, "--yes", *first]


def stop_at(stage: Stage, words: list[str], point: str) -> subprocess.Popen[bytes] | None:
    """The command, stopped at its point; None where it ended well and was faster than the ten looks a second are."""
    command = subprocess.Popen(
        stage.command(*words),
        env={**stage.environ, crashpoint.VARIABLE: point},
        cwd=stage.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def is_stopped() -> bool:
        if command.poll() is not None:
            assert command.returncode == 0 and point.endswith(TIMED), (
                f"it ended with {command.returncode} before {point}"
            )
            return True
        return Path(f"/proc/{command.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    wait_until(is_stopped, 60)
    return command if command.returncode is None else None


def kill(stage: Stage, command: subprocess.Popen[bytes], victim: Victim) -> int:
    """SIGKILL, and the exit status of the command."""
    pids = [c for c in children(command.pid) if "/pg_" in process.describe(c)] if victim != "tool" else []
    of_server = [] if pids or victim == "tool" else server_processes(stage)
    if victim != "child":
        command.kill()
    for pid in (*pids, *of_server):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    command.send_signal(signal.SIGCONT)
    code = command.wait(120)
    for environment in ("production", "test"):
        wait_until(lambda e=environment: answers(stage, e), 60)  # type: ignore[misc]
    return code


def server_processes(stage: Stage) -> list[int]:
    found = []
    for environment in ("production", "test"):
        query = "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name LIKE 'ringfence%'"
        found += stage.value(environment, query, "postgres") or []  # type: ignore[operator]
    return found


def answers(stage: Stage, environment: str) -> bool:
    with contextlib.suppress(psycopg.Error):
        return stage.value(environment, "SELECT true", "postgres") is True  # type: ignore[arg-type]
    return False


# --- what must hold ---------------------------------------------------------------------------------------------------


def invariants(stage: Stage, newest: str) -> None:
    """At every moment, before anything was mended."""
    entries = stage.project.store.entries()
    assert [e.problem for e in entries] == [None] * len(entries)
    for entry in entries:
        assert entry.manifest is not None and entry.dump_path is not None
        assert format_of(entry.manifest).damage(entry.dump_path, entry.manifest) is None
    assert newest in {e.id for e in entries}, "the last good backup is still there"
    for target in (stage.production, stage.test):
        with psycopg.connect(target.conninfo()) as connection:
            row = connection.execute(WHOLE.encode()).fetchone()
        assert row is not None and row[0], f"{target.database} is not whole"
        assert row[1] in (0, 10)


def end_state(stage: Stage, command: str) -> None:
    """What exit status 0 promises."""
    if command == "backup":
        assert stage.project.store.newest().problem is None
    for environment in {"reseed": ("test",), "restore": ("production",)}.get(command, ()):
        query = "SELECT count(*) FROM public.item WHERE words = 'agent'"
        assert stage.value(environment, query) == 0  # type: ignore[arg-type]


def own(stage: Stage, environment: Literal["production", "test"], purpose: str) -> list[str]:
    with connect(stage.project.engine(environment).target("postgres")) as connection:
        names = [r[0] for r in connection.execute("SELECT datname FROM pg_catalog.pg_database")]
        stamps = {n: read_stamp(connection, n) for n in names}
    return [n for n, s in stamps.items() if (s.project, s.environment) == (stage.project.name, purpose)]


def nothing_is_left(stage: Stage) -> None:
    """The command that ended well has cleared up after the one that was killed."""
    store = stage.project.store
    assert not list(store.directory.glob(".staging-*")) and store.foreign() == ()
    assert not [p for p in store.copies.iterdir() if p.suffix in (".partial", ".coming", ".going")]
    assert own(stage, "production", "restoring") == []
    for purpose in ("incoming", "replaced"):
        assert own(stage, "test", purpose) == []
    for name in own(stage, "production", "damaged"):
        stage.run("production", f'DROP DATABASE "{name}" WITH (FORCE)', database="postgres")
