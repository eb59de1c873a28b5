"""``restore``: production back as it was, on real servers; what a dump does not carry; whatever stands in the way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
import pytest
from tests.postgres.workflow.stage import MAJORS, Quiet, Stage, World

from ringfence.errors import BackupError, BusyError, IdentityError, RestoreError
from ringfence.journal import reader
from ringfence.journal.log import Journal
from ringfence.postgres.connection import connect
from ringfence.postgres.identity import read_stamp
from ringfence.workflow.backups import rebuild
from ringfence.workflow.backups.backup import create_backup
from ringfence.workflow.backups.restore import Restored, restore
from ringfence.workflow.comparison.verify import verify
from ringfence.workflow.rights import roles

pytestmark = pytest.mark.postgres

SAMPLE = (
    "CREATE TABLE public.item (id serial PRIMARY KEY, words text NOT NULL)",
    "INSERT INTO public.item (words) SELECT md5(i::text) FROM generate_series(1, 500) i",
    "CREATE TABLE public.part (id int PRIMARY KEY, item int REFERENCES public.item)",
    "INSERT INTO public.part SELECT i, i FROM generate_series(1, 100) i",
)
DAMAGE = (
    "UPDATE public.item SET words = 'agent' WHERE id <= 25",
    "DELETE FROM public.part WHERE id > 90",
    "CREATE TABLE public.planted (id int REFERENCES public.item)",
)


@pytest.fixture
def filled(stage: Stage) -> Stage:
    stage.run("production", *SAMPLE)
    return stage


def backed_up(stage: Stage) -> str:
    return create_backup(stage.project, issue="7", progress=Quiet()).manifest.id


def restored(stage: Stage, name: str, *, backup_first: bool = True) -> Restored:
    return restore(stage.project, name, backup_first=backup_first, progress=stage.progress)


def databases(stage: Stage) -> dict[str, str | None]:
    """This project's databases on production's server, and what their stamps say."""
    with connect(stage.project.engine("production").target("postgres")) as connection:
        names = [r[0] for r in connection.execute("SELECT datname FROM pg_catalog.pg_database")]
        stamps = {n: read_stamp(connection, n) for n in names}
    return {n: s.environment for n, s in stamps.items() if s.project == stage.project.name}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def words_changed(stage: Stage, database: str | None = None) -> object:
    return stage.value("production", "SELECT count(*) FROM public.item WHERE words = 'agent'", database)


def test_production_is_as_it_was_and_the_damaged_one_is_kept(filled: Stage) -> None:
    """F40: a new table refers to an old one, so a restore into the damaged database itself could not even drop it."""
    name = backed_up(filled)
    filled.run("production", *DAMAGE)
    done = restored(filled, name)
    database = filled.production.database
    assert words_changed(filled) == 0
    assert filled.value("production", "SELECT count(*) FROM public.part") == 100
    assert filled.value("production", "SELECT to_regclass('public.planted')") is None
    assert done.damaged is not None and words_changed(filled, done.damaged) == 25
    assert databases(filled) == {database: "production", done.damaged: "damaged"}
    assert (done.tables, done.rows) == (2, 600)
    # The application has a baseline to be compared with, and it equals what was restored.
    assert verify(filled.project, None, progress=Quiet()).comparison.verdict == "unchanged"
    entries = {e.id: e for e in filled.project.store.entries()}
    assert entries[name].is_proven and filled.project.store.newest().id == done.new_baseline
    assert done.backup_of_damaged is not None and entries[done.backup_of_damaged].is_evidence
    run = reader.read_runs(filled.project.paths.state_directory)[0]
    assert (run.outcome, run.backup) == ("passed", name)
    steps = ["check", "backup of the damaged state", "restore beside", "rights and settings", "roles", "swap"]
    assert [s.name for s in run.steps] == [*steps, "new baseline"]


def test_rights_settings_and_comment_of_the_database_come_back(filled: Stage) -> None:
    """F39: none of it is in a dump; without it PUBLIC could connect again."""
    project = filled.project
    database, app = quoted(filled.production.database), quoted(project.settings.production.app_role)
    odd = quoted("o\"dd; ro'le: by x")
    filled.run(
        "production",
        f"CREATE ROLE {odd} LOGIN",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {database} TO {odd} WITH GRANT OPTION",
        f"SET ROLE {odd}; GRANT CONNECT ON DATABASE {database} TO {app}; RESET ROLE",
        f"ALTER DATABASE {database} SET search_path = \"$user\", public, 'we ird'",
        f"ALTER DATABASE {database} SET statement_timeout = '7min'",
        f"ALTER DATABASE {database} SET app.motto = 'it''s: a = b, c'",
        f"ALTER ROLE {odd} IN DATABASE {database} SET work_mem = '5MB'",
        f"ALTER DATABASE {database} CONNECTION LIMIT 17",
        f"COMMENT ON DATABASE {database} IS 'the shop''s; \"prod\"'",
    )
    query = """SELECT (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(datacl) x), datconnlimit,
                      shobj_description(oid, 'pg_database'),
                      (SELECT array_agg((setrole::regrole::text, c)::text ORDER BY setrole::regrole::text, c)
                       FROM pg_db_role_setting, unnest(setconfig) c
                       WHERE setdatabase = d.oid AND c NOT LIKE 'ringfence.baseline%')
               FROM pg_database d WHERE datname = current_database()"""
    with psycopg.connect(filled.production.conninfo()) as connection:
        before = connection.execute(query.encode()).fetchone()
    name = backed_up(filled)
    filled.run(
        "production",
        f"ALTER DATABASE {database} RESET statement_timeout",
        f"GRANT ALL ON DATABASE {database} TO PUBLIC",
        f"ALTER DATABASE {database} CONNECTION LIMIT -1",
    )
    restored(filled, name, backup_first=False)
    with psycopg.connect(filled.production.conninfo()) as connection:
        assert connection.execute(query.encode()).fetchone() == before


def test_a_database_that_was_dropped_comes_back(filled: Stage) -> None:
    name = backed_up(filled)
    filled.run("production", f"DROP DATABASE {quoted(filled.production.database)} WITH (FORCE)", database="postgres")
    done = restored(filled, name)
    assert done.damaged is None and done.backup_of_damaged is None
    assert words_changed(filled) == 0
    assert any("was not there" in note for note in done.notes)
    assert verify(filled.project, None, progress=Quiet()).comparison.verdict == "unchanged"


def test_a_role_that_is_gone_is_made_without_a_way_in(filled: Stage) -> None:
    filled.run(
        "production",
        "CREATE ROLE owner_of_things LOGIN CREATEDB PASSWORD 'secret'",
        "CREATE ROLE a_group",
        "GRANT a_group TO owner_of_things",
        "ALTER TABLE public.part OWNER TO owner_of_things",
    )
    name = backed_up(filled)
    filled.run("production", "REASSIGN OWNED BY owner_of_things TO CURRENT_USER", "DROP ROLE owner_of_things")
    done = restored(filled, name)
    assert done.roles_made == ("owner_of_things",)
    query = """SELECT (rolcanlogin, rolcreatedb, rolpassword IS NULL, pg_has_role(rolname, 'a_group', 'member'))::text
               FROM pg_authid WHERE rolname = 'owner_of_things'"""
    assert filled.value("production", query) == "(f,t,t,t)"
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'part'"
    assert filled.value("production", owner) == "owner_of_things"


def test_an_empty_server_after_the_loss_of_the_old_one(world: World) -> None:
    """Another system identifier, another major: `up` made and stamped it, and it becomes production."""
    with world.stage(MAJORS[-1], MAJORS[-1]) as old, world.stage(MAJORS[0], MAJORS[0]) as new:
        old.run("production", *SAMPLE)
        name = backed_up(old)
        store, lost = new.project.store, old.project.store
        for directory, other in ((lost.directory, store.directory), (lost.copies, store.copies)):
            other.mkdir(exist_ok=True, mode=0o700)
            for path in directory.glob("*.*"):
                (other / path.name).write_bytes(path.read_bytes())
        done = restored(new, name)
        assert words_changed(new) == 0 and any("another server" in note for note in done.notes)
        assert databases(new)[new.production.database] == "production"
        assert verify(new.project, None, progress=Quiet()).comparison.verdict == "unchanged"


@contextlib.contextmanager
def busy_application(stage: Stage) -> Iterator[list[str]]:
    """Sessions of an application that comes back whenever it is sent away; what it saw under the name."""
    import threading

    seen: list[str] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                with psycopg.connect(stage.production.conninfo(), autocommit=True) as connection:
                    while not stop.is_set():
                        row = connection.execute("SELECT count(*), min(words) FROM public.item").fetchone()
                        seen.append("whole" if row and row[0] == 500 else "not whole")
            except psycopg.errors.InvalidCatalogName:
                seen.append("no such database")
            except psycopg.Error:
                continue

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_an_application_at_work_never_misses_its_database(filled: Stage) -> None:
    """F08: a client that reconnects all the time finds a whole database under the name at every moment."""
    name = backed_up(filled)
    filled.run("production", *DAMAGE)
    with busy_application(filled) as seen:
        restored(filled, name, backup_first=False)
    assert set(seen) == {"whole"} and len(seen) > 10


def refused(stage: Stage, name: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        restored(stage, name)
    run = reader.read_runs(stage.project.paths.state_directory)[0]
    assert run.outcome == "failed"


def test_a_server_that_is_not_the_one_is_refused(filled: Stage) -> None:
    name = backed_up(filled)
    database = quoted(filled.production.database)
    filled.run("production", f"ALTER DATABASE {database} SET ringfence.environment = 'test'")
    try:
        refused(filled, name, IdentityError, "carries the stamp 'test'")
    finally:
        filled.run("production", f"ALTER DATABASE {database} SET ringfence.environment = 'production'")


def test_a_lost_stamp_on_the_server_that_was_backed_up_is_no_obstacle(filled: Stage) -> None:
    name = backed_up(filled)
    database = quoted(filled.production.database)
    filled.run("production", f"ALTER DATABASE {database} RESET ALL", *DAMAGE)
    done = restored(filled, name, backup_first=False)
    assert words_changed(filled) == 0 and done.damaged is not None


def test_a_halt_is_no_obstacle_and_a_run_at_work_is(filled: Stage) -> None:
    name = backed_up(filled)
    project = filled.project
    with Journal.create(
        project.paths.state_directory, project=project.name, issue=None, text="x", root=filled.root
    ) as journal:
        journal.backup(name)
        journal.end("halt", exit_code=3, reasons=["changed"])
    with psycopg.connect(filled.production.conninfo(), application_name="ringfence run elsewhere:1"):
        refused(filled, name, BusyError, "a run holds production: ringfence run elsewhere:1")
    filled.run("production", *DAMAGE)
    restored(filled, name)
    assert words_changed(filled) == 0


def test_a_damaged_dump_is_found_before_anything_is_done(filled: Stage) -> None:
    name = backed_up(filled)
    dump = filled.project.store.directory / f"{name}.dump"
    data = bytearray(dump.read_bytes())
    data[len(data) // 2] ^= 1
    dump.write_bytes(data)
    refused(filled, name, BackupError, "SHA-256")
    assert list(databases(filled)) == [filled.production.database]


def test_what_cannot_be_restored_leaves_production_alone(filled: Stage) -> None:
    """F37: a check whose function finds its table by the search path; pg_dump ends well and pg_restore does not."""
    filled.run(
        "production",
        "CREATE FUNCTION public.known(i int) RETURNS bool LANGUAGE sql AS "
        "'SELECT EXISTS (SELECT FROM item WHERE id = i)'",
        "ALTER TABLE public.part ADD CHECK (public.known(item))",
    )
    name = backed_up(filled)
    filled.run("production", "UPDATE public.item SET words = 'agent' WHERE id <= 25")
    refused(filled, name, RestoreError, "pg_restore")
    assert words_changed(filled) == 25
    assert databases(filled)[filled.production.database] == "production"


# --- who holds the database -------------------------------------------------------------------------------------------


@pytest.fixture
def held(world: World) -> Iterator[Stage]:
    """Servers on which transactions can be prepared, and on production slots made; put back afterwards."""
    # Every project of these tests leaves a slot on the shared server, so there is room for many from now on.
    lasting = "ALTER SYSTEM SET max_replication_slots = 100"
    wanted = {"wal_level": "logical", "max_prepared_transactions": "4"}
    engine = world.engine("production", MAJORS[0])

    def restarted(*statements: str) -> None:
        with psycopg.connect(engine.target().conninfo(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())
        engine.stop()
        engine.start()

    restarted(lasting, *(f"ALTER SYSTEM SET {name} = {value}" for name, value in wanted.items()))
    try:
        with world.stage(MAJORS[0], MAJORS[0]) as stage:
            stage.run("production", *SAMPLE)
            yield stage
    finally:
        restarted(*(f"ALTER SYSTEM RESET {name}" for name in wanted))


NEWS = "CREATE SUBSCRIPTION news CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false)"
ODD, ODD_QUOTED = "a;b'", "'a;b'''"


def test_what_holds_the_damaged_database_is_named_with_its_way_out(held: Stage) -> None:
    """F31, and what is tied to a database without a session: nothing is done before a person has decided."""
    name = backed_up(held)
    held.run("production", *DAMAGE)
    holders = [
        (
            ["BEGIN; UPDATE public.item SET words = 'x' WHERE id = 400; PREPARE TRANSACTION " + ODD_QUOTED],
            f'prepared transaction "{ODD}" of role {held.production.user}',
            f"ROLLBACK PREPARED {ODD_QUOTED}",
        ),
        (
            ["SELECT pg_create_logical_replication_slot('reader', 'pgoutput')"],
            'replication slot "reader"',
            "SELECT pg_drop_replication_slot('reader')",
        ),
        (
            [NEWS, "ALTER SUBSCRIPTION news ENABLE"],
            'subscription "news"',
            'ALTER SUBSCRIPTION "news" DISABLE',
        ),
    ]
    for make, told, way_out in holders:
        held.run("production", *make)
        with pytest.raises(RestoreError) as caught:
            restored(held, name)
        assert told in caught.value.message and way_out in str(caught.value.hint) and caught.value.exit_code == 6
        assert databases(held) == {held.production.database: "production"} and words_changed(held) == 25
        assert [e.id for e in held.project.store.entries()] == [name], "no backup of the damaged state either"
        held.run("production", way_out)
    done = restored(held, name, backup_first=False)
    assert words_changed(held) == 0 and done.damaged is not None
    assert any('disabled subscription "news"' in note for note in done.notes)
    give_up = ("ALTER SUBSCRIPTION news SET (slot_name = NONE)", "DROP SUBSCRIPTION news")
    held.run("production", *give_up, database=done.damaged)


def test_who_comes_while_the_copy_is_made_is_named_too(held: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half done: the copy goes, production is what it was."""
    name = backed_up(held)
    held.run("production", *DAMAGE)
    real = rebuild.make_beside

    def make(*arguments: object, **options: object) -> str:
        made = real(*arguments, **options)  # type: ignore[arg-type]
        held.run("production", "SELECT pg_create_logical_replication_slot('late', 'pgoutput')")
        return made

    monkeypatch.setattr(rebuild, "make_beside", make)
    refused(held, name, RestoreError, 'replication slot "late"')
    assert databases(held) == {held.production.database: "production"} and words_changed(held) == 25


def test_the_baseline_of_a_restore_stands_after_roles_apply(filled: Stage) -> None:
    """The kept database has lost its rights before that baseline: nothing is left for `roles apply` to take."""
    app, database = filled.project.settings.production.app_role, filled.production.database
    roles.apply(filled.project)
    filled.run(
        "production",
        f"ALTER ROLE {quoted(app)} IN DATABASE {quoted(database)} SET work_mem = '5MB'",
        "CREATE ROLE passing LOGIN",
        f"GRANT CONNECT ON DATABASE {quoted(database)} TO passing WITH GRANT OPTION",
        f"SET ROLE passing; GRANT CONNECT ON DATABASE {quoted(database)} TO {quoted(app)}; RESET ROLE",
    )
    roles.apply(filled.project)
    name = backed_up(filled)
    filled.run("production", *DAMAGE)
    done = restored(filled, name)
    assert done.damaged is not None
    query = "SELECT has_database_privilege({}, {}, 'CONNECT')"
    for role in (app, "passing"):
        role_, kept = psycopg.sql.Literal(role), psycopg.sql.Literal(done.damaged)
        assert filled.value("production", psycopg.sql.SQL(query).format(role_, kept).as_string()) is False
    roles.apply(filled.project)
    verified = verify(filled.project, None, progress=Quiet())
    assert (verified.comparison.verdict, verified.baseline) == ("unchanged", done.new_baseline)
