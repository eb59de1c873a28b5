"""``backup create`` on live servers: one snapshot, read back, published whole or not at all."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import stat
import threading
import time
from pathlib import Path

import psycopg
import pytest
from tests.postgres.workflow.stage import BY_MAJOR, MAJORS, Quiet, Stage, World, with_programs

from ringfence import clock, files
from ringfence.errors import BackupError, BusyError, EngineError, IdentityError
from ringfence.integrity import baseline
from ringfence.integrity.compare import differing
from ringfence.postgres.connection import PINNED_SETTINGS
from ringfence.workflow.backups import reseed
from ringfence.workflow.backups.backup import Created, create_backup, verify_backup

pytestmark = pytest.mark.postgres

SAMPLE = (
    "CREATE TABLE public.item (id serial PRIMARY KEY, words text, price numeric(10,2))",
    "INSERT INTO public.item (words, price) SELECT md5(i::text), i FROM generate_series(1, 500) i",
    'CREATE TABLE public."Odd ""name""" (a int)',
)


def backup(stage: Stage, **options: object) -> Created:
    return create_backup(stage.project, **{"issue": None, "progress": stage.progress, **options})  # type: ignore[arg-type]


def leftovers(stage: Stage) -> list[str]:
    return [p.name for p in stage.project.store.directory.iterdir() if p.name.startswith(".staging")]


def test_a_backup_says_what_production_is(stage: Stage) -> None:
    stage.run("production", *SAMPLE)
    made = backup(stage, issue="7")
    manifest, entry = made.manifest, made.entry
    assert entry.problem is None and entry.dump_path is not None
    assert manifest.id.startswith(f"{stage.production.database}_backup_7_") and manifest.sequence == 1
    assert (manifest.project, manifest.database, manifest.issue) == (stage.project.name, stage.production.database, "7")
    data = entry.dump_path.read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (manifest.size_bytes, manifest.sha256)
    assert manifest.program_version.startswith(f"{MAJORS[0]}.")
    assert {(t.table.name, t.rows) for t in made.observation.tables} == {("item", 500), ('Odd "name"', 0)}
    assert stage.project.store.newest() == entry
    assert verify_backup(stage.project, None, Quiet()) == entry
    before = baseline.from_json(entry.manifest.baseline if entry.manifest else {})
    assert differing(before, stage.observed("production", before)) == ()


def test_a_backup_is_for_its_owner_alone(stage: Stage) -> None:
    """F21."""
    made = backup(stage)
    assert made.entry.dump_path is not None
    places = [stage.project.store.directory, stage.project.store.copies]
    assert [stat.S_IMODE(p.stat().st_mode) for p in places] == [0o700, 0o700]
    copy = stage.project.store.copies / f"{made.manifest.id}.manifest.json"
    for path in (made.entry.dump_path, made.entry.manifest_path, copy):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert leftovers(stage) == []


def test_production_is_only_read(stage: Stage) -> None:
    """Nothing is written and no session outlives the backup."""
    stage.run("production", *SAMPLE, "CHECKPOINT")
    position = "SELECT pg_current_wal_insert_lsn() - '0/0'"
    before = stage.value("production", position)
    backup(stage)
    assert int(str(stage.value("production", position))) - int(str(before)) < 20_000  # what a server writes by itself
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ringfence' AND pid <> pg_backend_pid()"
    for _ in range(50):
        if stage.value("production", query) == 0:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("a session is still there")


def test_an_empty_production_is_backed_up(stage: Stage) -> None:
    """F35."""
    made = backup(stage)
    assert made.observation.tables == () and made.entry.problem is None


def test_two_in_one_second_have_two_names(stage: Stage) -> None:
    """F12."""
    one, other = backup(stage), backup(stage)
    assert one.manifest.id != other.manifest.id
    assert (one.manifest.sequence, other.manifest.sequence) == (1, 2)
    assert [e.problem for e in stage.project.store.entries()] == [None, None]


def test_rotation_follows_the_number_and_not_the_clock(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """F23, F26."""
    stage = stage.reopened(**{"[test]": "[backup]\nkeep = 2\n\n[test]"})
    first = backup(stage).manifest.id
    real = clock.utc_now
    monkeypatch.setattr(clock, "utc_now", lambda: real() - dt.timedelta(days=400))
    second = backup(stage)
    assert second.removed == ()
    third = backup(stage, needed={first: "the baseline of a run"})
    assert third.removed == () and {k.id: k.reason for k in third.kept}[first].startswith("the baseline of a run")
    monkeypatch.setattr(clock, "utc_now", real)
    fourth = backup(stage)
    assert fourth.removed == (first, second.manifest.id)
    assert stage.project.store.newest().id == fourth.manifest.id


# --- under writes -----------------------------------------------------------------------------------------------------


class Writers:
    """Sessions that insert, change and delete all the time, with a sequence and a large object."""

    def __init__(self, stage: Stage, count: int) -> None:
        self.stage, self.stop, self.rows = stage, threading.Event(), 0
        self.threads = [threading.Thread(target=self._write, args=(n,)) for n in range(count)]
        self.failed: list[Exception] = []

    def __enter__(self) -> Writers:
        for thread in self.threads:
            thread.start()
        while self.rows < 50 and not self.failed:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert not self.failed, self.failed

    def _write(self, number: int) -> None:
        try:
            with psycopg.connect(self.stage.production.conninfo(), autocommit=True) as connection:
                while not self.stop.is_set():
                    connection.execute("INSERT INTO public.item (words) VALUES (%s)", (f"{number}",))
                    connection.execute("UPDATE public.item SET price = random() WHERE id %% 97 = %s", (number,))
                    connection.execute("DELETE FROM public.item WHERE id = (SELECT min(id) FROM public.item)")
                    self.rows += 1
        except Exception as error:
            self.failed.append(error)


@pytest.mark.parametrize("major", MAJORS, ids=lambda m: f"pg{m}")
def test_dump_and_baseline_are_of_one_moment_while_others_write(world: World, major: int) -> None:
    """F48. The proof is the restore: what the dump holds is what the baseline says."""
    with world.stage(major, MAJORS[0]) as stage:
        stage.run("production", *SAMPLE)
        with Writers(stage, 2) as writers:
            before = writers.rows
            made = backup(stage)
            assert writers.rows > before
        assert differing(made.observation, stage.observed("production", made.observation)) != ()
        done = reseed.reseed(stage.project, None, fresh_start=True, progress=stage.progress)
        assert done.rows == sum(t.rows for t in made.observation.tables)
        assert differing(made.observation, stage.observed("test", made.observation)) == ()


# --- refused, and failed ----------------------------------------------------------------------------------------------


def test_a_database_without_the_stamp_is_refused(stage: Stage) -> None:
    name = stage.production.database
    stage.run("production", f"ALTER DATABASE {name} RESET ringfence.environment", database="postgres")
    with pytest.raises(IdentityError, match="carries no stamp") as caught:
        backup(stage)
    assert caught.value.exit_code == 7
    assert stage.project.store.entries() == () and leftovers(stage) == []


def test_a_role_that_may_not_read_everything_is_refused(stage: Stage) -> None:
    """No superuser is needed, but what hides a row or an object from the role is an error, never a smaller backup."""
    role = stage.project.settings.production.app_role
    admin = stage
    admin.run("production", *SAMPLE)
    # Such a role never put on record where the data lie: it cannot see that.
    record = json.loads(stage.project.paths.identities.read_bytes())
    record["production"]["place"] = None
    stage.project.paths.identities.write_text(json.dumps(record))
    stage = stage.reopened(**{'admin_role = "shared_admin"': f'admin_role = "{role}"\napp_role = "other_app"'})
    with pytest.raises(BackupError, match=r"backup not made|could not be read"):
        backup(stage)
    admin.run("production", f'GRANT pg_read_all_data, pg_monitor TO "{role}"')
    made = backup(stage)
    assert sum(t.rows for t in made.observation.tables) > 0
    admin.run("production", "ALTER TABLE public.item ENABLE ROW LEVEL SECURITY")
    with pytest.raises(BackupError, match=r"row-level security|row security"):
        backup(stage)
    assert [e.id for e in stage.project.store.entries()] == [made.manifest.id] and leftovers(stage) == []


def test_a_locked_table_is_named_in_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """F29."""
    monkeypatch.setitem(PINNED_SETTINGS, "lock_timeout", "1s")
    stage.run("production", *SAMPLE)
    good = backup(stage).manifest.id
    with psycopg.connect(stage.production.conninfo()) as blocker:
        blocker.execute("LOCK TABLE public.item IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        with pytest.raises(BackupError) as caught:
            backup(stage)
        assert time.monotonic() - started < 10
        assert "public.item" in caught.value.message and str(blocker.info.backend_pid) in caught.value.message
    assert [e.id for e in stage.project.store.entries()] == [good] and leftovers(stage) == []
    backup(stage)


def test_a_server_that_is_not_there(stage: Stage) -> None:
    port = stage.project.settings.production.db_port
    stage = stage.reopened(**{f"db_port = {port}": "db_port = 9"})
    with pytest.raises(BackupError, match=r"^backup not made: cannot connect to ") as caught:
        backup(stage)
    assert caught.value.exit_code == 5 and "ringfence up" in str(caught.value.hint)


def test_no_programs_that_are_new_enough(stage: Stage) -> None:
    """F32."""
    if len(MAJORS) < 2:
        pytest.skip("needs two majors")
    with pytest.raises(EngineError, match="every pg_dump on this machine is older"):
        backup(with_programs(stage, [BY_MAJOR[MAJORS[-1]]]))
    assert leftovers(stage) == []


def test_another_that_is_at_it(stage: Stage) -> None:
    with stage.project.store.writing(), pytest.raises(BusyError, match="making a backup"):
        backup(stage)
    backup(stage)


def test_a_disk_that_is_nearly_full_is_refused_before_anything(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """F14."""
    good = backup(stage)
    monkeypatch.setattr(files, "free_bytes", lambda path: good.manifest.size_bytes * 3 // 2 - 1)
    with pytest.raises(BackupError, match=r"are free in .*, and the last dump and half of it again are"):
        backup(stage)
    assert [e.id for e in stage.project.store.entries()] == [good.manifest.id] and leftovers(stage) == []


def test_sessions_that_are_ended_in_the_middle(stage: Stage) -> None:
    """F11: the server stops, or an administrator ends the dump."""
    stage.run("production", *SAMPLE)
    good = backup(stage).manifest.id

    class Ending(Quiet):
        def advance(self, label: str, done: float, total: float) -> None:
            stage.run(
                "production",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ringfence'",
            )

    with pytest.raises(BackupError) as caught:
        create_backup(stage.project, issue=None, progress=Ending())
    assert caught.value.exit_code == 5
    assert [e.id for e in stage.project.store.entries()] == [good] and leftovers(stage) == []


def test_an_interrupt_leaves_nothing(stage: Stage) -> None:
    stage.run("production", *SAMPLE)

    class Interrupting(Quiet):
        def advance(self, label: str, done: float, total: float) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create_backup(stage.project, issue=None, progress=Interrupting())
    assert stage.project.store.entries() == () and leftovers(stage) == []
    backup(stage)


def test_the_snapshot_outlives_the_longest_step() -> None:
    """The session that holds it is idle in its transaction for as long as dump and fingerprints take."""
    from ringfence.workflow.project import STEP_TIMEOUT_S

    hours = PINNED_SETTINGS["idle_in_transaction_session_timeout"]
    assert hours.endswith("h") and int(hours[:-1]) * 3600 > STEP_TIMEOUT_S


# --- looking at it again ----------------------------------------------------------------------------------------------


def damaged(path: Path, place: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("place", [0.001, 0.3, 0.6, 0.999])
def test_a_flipped_bit_is_found(stage: Stage, place: float) -> None:
    """F17, F18."""
    stage.run("production", *SAMPLE)
    made = backup(stage)
    assert made.entry.dump_path is not None
    damaged(made.entry.dump_path, place)
    assert stage.project.store.newest().problem is None, "a look cannot tell"
    with pytest.raises(BackupError, match="is damaged: its SHA-256 is not the one in its manifest") as caught:
        verify_backup(stage.project, None, Quiet())
    assert caught.value.exit_code == 5
    with pytest.raises(BackupError, match="is damaged"):
        reseed.reseed(stage.project, None, fresh_start=True, progress=Quiet())
    assert set(stage.own_databases().values()) == {"test"}


@pytest.mark.skipif(len(MAJORS) < 2, reason="needs two majors")
def test_a_dump_of_newer_programs_is_read_by_them(world: World) -> None:
    """A machine that gets the server's own programs later than the backup was made with newer ones."""
    with world.stage(MAJORS[-1], MAJORS[0]) as stage:
        stage.run("production", *SAMPLE)
        made = backup(with_programs(stage, [BY_MAJOR[MAJORS[0]]]))
        assert made.manifest.program_version.startswith(f"{MAJORS[0]}.")
        older_first = with_programs(stage, [BY_MAJOR[m] for m in sorted(MAJORS)])
        assert verify_backup(older_first.project, None, Quiet()).id == made.manifest.id
        reseed.reseed(older_first.project, None, fresh_start=True, progress=Quiet())
