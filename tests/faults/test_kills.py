"""F01-F10: the command or its child is killed at any moment. The next one works, and nothing sound is lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.postgres.workflow.stage import MAJORS, Quiet, Stage, World, wait_until
from tests.thin import some

from ringfence import files, process
from ringfence.backup.dump import read_in_full
from ringfence.workflow.backups import reseed
from ringfence.workflow.backups.backup import create_backup

pytestmark = pytest.mark.postgres

ROWS = 40_000
SAMPLE = (
    "CREATE TABLE public.item (id serial PRIMARY KEY, words text)",
    f"INSERT INTO public.item (words) SELECT md5(i::text) || md5((i+1)::text) FROM generate_series(1, {ROWS}) i",
    "CREATE TABLE public.part (id serial PRIMARY KEY, item int REFERENCES public.item)",
    "INSERT INTO public.part (item) SELECT i FROM generate_series(1, 20000) i",
    "CREATE INDEX ON public.item (words)",
)
KEEP = 3


@pytest.fixture
def filled(world: World) -> Iterator[Stage]:
    with world.stage(MAJORS[0], MAJORS[0], toml=f"\n[backup]\nkeep = {KEEP}\n") as stage:
        stage.run("production", *SAMPLE)
        yield stage


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(word) for word in (task / "children").read_text().split()]
    return [child for child in found if process.is_alive(child)]


def child_called(pid: int, name: str) -> int | None:
    return next((c for c in children(pid) if f"/{name}" in process.describe(c).split(" --")[0]), None)


def wait_for_child(command: subprocess.Popen[bytes], name: str) -> int:
    found: list[int] = []

    def look() -> bool:
        assert command.poll() is None, f"it ended with {command.returncode} before {name} ran"
        child = child_called(command.pid, name)
        found.extend([child] if child else [])
        return child is not None

    wait_until(look)
    return found[0]


def must_be_sound(stage: Stage, *, at_least: int) -> None:
    """Whatever is listed as sound is sound, and nothing is listed that is not."""
    entries = stage.project.store.entries()
    assert [e.problem for e in entries] == [None] * len(entries)
    assert len(entries) >= at_least
    for entry in entries:
        assert entry.manifest is not None and entry.dump_path is not None
        assert files.sha256_file(entry.dump_path) == entry.manifest.sha256


def staging(stage: Stage) -> list[Path]:
    return list(stage.project.store.directory.glob(".staging-*"))


def end(command: subprocess.Popen[bytes], sign: signal.Signals) -> int:
    command.send_signal(sign)
    return command.wait(60)


def seconds_of(stage: Stage, *words: str) -> float:
    started = time.monotonic()
    assert stage.start(*words).wait(120) == 0
    return time.monotonic() - started


# --- at random moments ------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_backups_are_killed_at_random_moments(filled: Stage) -> None:
    takes = seconds_of(filled, "backup", "create")
    chance = random.Random()
    made = 1
    for _ in range(12):
        command = filled.start("backup", "create")
        time.sleep(chance.uniform(0.25, 1.05) * takes)
        made += end(command, signal.SIGKILL) == 0
        must_be_sound(filled, at_least=min(made, KEEP))
    done = filled.cli("backup", "create", "--json")
    assert done.returncode == 0, done.stderr
    must_be_sound(filled, at_least=min(made + 1, KEEP))
    store = filled.project.store
    assert len(store.entries()) <= KEEP and store.foreign() == () and staging(filled) == []
    assert store.newest().id == json.loads(done.stdout)["backup"]["id"]
    newest = store.newest()
    assert newest.manifest is not None and newest.dump_path is not None
    read_in_full(
        filled.project.client_programs("production", newest.manifest.server_version_num), newest.dump_path, timeout_s=60
    )
    assert not list(store.copies.glob("*.partial")) and not list(store.copies.glob("*.coming"))


AGENT = "UPDATE public.item SET words = 'agent' WHERE id <= 10"


def whole_test_database(stage: Stage) -> str:
    """The name leads to a whole database: as the agent left it, or as it is in the backup."""
    with psycopg.connect(stage.test.conninfo()) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM public.item), (SELECT count(*) FROM public.part), "
            "(SELECT count(*) FROM pg_constraint WHERE conrelid IN ('public.item'::regclass, 'public.part'::regclass) "
            " AND contype IN ('p', 'f') AND convalidated), "
            "(SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid = 'public.item'::regclass), "
            "(SELECT count(*) FROM public.item WHERE words = 'agent')"
        ).fetchone()
    assert row is not None and row[:4] == (ROWS, 20_000, 3, 2), row
    assert row[4] in (0, 10)
    return "agent's" if row[4] else "fresh"


@pytest.mark.long
def test_reseeds_are_killed_at_random_moments(filled: Stage) -> None:
    create_backup(filled.project, issue=None, progress=Quiet())
    makes = seconds_of(filled, "reseed", "--fresh-start")
    copies = seconds_of(filled, "reseed")
    chance = random.Random()
    for number in range(14):
        filled.run("test", AGENT)
        again = number % 2 == 0
        if again:  # so that the reference is made anew
            reference = next((n for n, s in filled.own_databases().items() if s == "reference"), None)
            if reference:
                filled.run("test", f"ALTER DATABASE {reference} RESET ringfence.baseline", database="postgres")
        command = filled.start("reseed")
        time.sleep(chance.uniform(0.25, 1.05) * (makes if again else copies))
        end(command, signal.SIGKILL)
        whole_test_database(filled)
        assert filled.own_databases()[filled.test.database] == "test"
    done = filled.cli("reseed")
    assert done.returncode == 0, done.stderr
    assert whole_test_database(filled) == "fresh"
    assert sorted(s or "" for s in filled.own_databases().values()) == ["reference", "test"]
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ringfence' AND pid <> pg_backend_pid()"
    wait_until(lambda: filled.value("test", query) == 0)


# --- at known moments -------------------------------------------------------------------------------------------------


def test_a_killed_pg_dump_is_a_backup_that_was_not_made(filled: Stage) -> None:
    create_backup(filled.project, issue=None, progress=Quiet())
    filled.run(
        "production", "INSERT INTO public.item (words) SELECT repeat(md5(i::text), 9) FROM generate_series(1, 150000) i"
    )
    command = filled.start("backup", "create")
    os.kill(wait_for_child(command, "pg_dump"), signal.SIGKILL)
    assert command.wait(60) == 5
    must_be_sound(filled, at_least=1)
    assert staging(filled) == [] and len(filled.project.store.entries()) == 1


@pytest.mark.long
def test_a_killed_pg_restore_is_a_reseed_that_failed(filled: Stage) -> None:
    """F04-F06: nothing is ever restored into the test database itself."""
    create_backup(filled.project, issue=None, progress=Quiet())
    reseed.reseed(filled.project, None, fresh_start=True, progress=Quiet())
    filled.run("test", AGENT)
    create_backup(filled.project, issue=None, progress=Quiet())
    command = filled.start("reseed")
    os.kill(wait_for_child(command, "pg_restore"), signal.SIGKILL)
    assert command.wait(60) == 6
    assert whole_test_database(filled) == "agent's"
    assert filled.cli("reseed").returncode == 0
    assert whole_test_database(filled) == "fresh"


@pytest.mark.long
def test_a_hanging_command_keeps_the_next_one_away_until_it_is_killed(filled: Stage) -> None:
    """``kill -STOP``: it has not died, so its lock holds; when it dies the next one goes on at once."""
    command = filled.start("backup", "create")
    wait_for_child(command, "pg_dump")
    command.send_signal(signal.SIGSTOP)
    try:
        done = filled.cli("backup", "create")
        assert done.returncode == 4 and str(command.pid) in done.stderr
    finally:
        end(command, signal.SIGKILL)
    assert filled.cli("backup", "create").returncode == 0


BIG = "INSERT INTO public.item (words) SELECT repeat(md5(i::text), 9) FROM generate_series(1, 100000) i"


def in_the_middle_of_a_backup(stage: Stage) -> tuple[subprocess.Popen[bytes], int]:
    stage.run("production", BIG)
    command = stage.start("backup", "create")
    return command, wait_for_child(command, "pg_dump")


def in_the_middle_of_a_reseed(stage: Stage) -> tuple[subprocess.Popen[bytes], int]:
    create_backup(stage.project, issue=None, progress=Quiet())
    command = stage.start("reseed", "--fresh-start")
    return command, wait_for_child(command, "pg_restore")


MIDDLES = [in_the_middle_of_a_backup, in_the_middle_of_a_reseed]


def assert_cleared_up(stage: Stage, child: int) -> None:
    assert not process.is_alive(child)
    assert staging(stage) == []
    assert not files.is_locked(stage.project.store.directory / ".lock")
    assert stage.cli("backup", "create").returncode == 0
    assert stage.cli("reseed", "--fresh-start").returncode == 0


@pytest.mark.parametrize("begin", some(MIDDLES, keep=1), ids=["backup", "reseed"])
def test_an_interrupt_ends_the_children_too(
    filled: Stage, begin: Callable[[Stage], tuple[subprocess.Popen[bytes], int]]
) -> None:
    """F10."""
    command, child = begin(filled)
    assert end(command, signal.SIGINT) == 130
    assert_cleared_up(filled, child)


@pytest.mark.parametrize("begin", some(MIDDLES[::-1], keep=1), ids=["reseed", "backup"])
@pytest.mark.parametrize("sign", some([signal.SIGTERM, signal.SIGHUP], keep=1), ids=lambda s: s.name)
def test_a_signal_to_end_does_so_too(
    filled: Stage, begin: Callable[[Stage], tuple[subprocess.Popen[bytes], int]], sign: signal.Signals
) -> None:
    """F10: a service manager, or a terminal that was closed."""
    command, child = begin(filled)
    assert end(command, sign) == 128 + sign
    assert_cleared_up(filled, child)
