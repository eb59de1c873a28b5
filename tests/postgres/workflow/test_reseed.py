"""``reseed`` on live servers: all or nothing, proven, and whatever agents left behind is overcome."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from tests.cases.zoo import zoo
from tests.postgres.workflow.stage import MAJORS, Quiet, Stage, World, wait_until
from tests.thin import some

from ringfence.backup.restore import restore
from ringfence.errors import BackupError, EmptyTestDatabaseError, IdentityError, RestoreError
from ringfence.integrity.compare import differing
from ringfence.integrity.model import Observation
from ringfence.postgres import databases, identity
from ringfence.postgres.connection import PINNED_SETTINGS, connect
from ringfence.workflow.backups import rebuild
from ringfence.workflow.backups.backup import Created, create_backup
from ringfence.workflow.backups.reseed import Reseeded, prove_backup, reseed
from ringfence.workflow.servers import environments

pytestmark = pytest.mark.postgres

SAMPLE = (
    "CREATE TABLE public.item (id serial PRIMARY KEY, words text)",
    "INSERT INTO public.item (words) SELECT md5(i::text) FROM generate_series(1, 300) i",
)
DONE = {"reference", "test"}


def backed_up(stage: Stage, *statements: str) -> Created:
    stage.run("production", *statements)
    return create_backup(stage.project, issue=None, progress=stage.progress)


def reseeded(stage: Stage, name: str | None = None, *, fresh_start: bool = False) -> Reseeded:
    return reseed(stage.project, name, fresh_start=fresh_start, progress=stage.progress)


def assert_equal(stage: Stage, before: Observation) -> None:
    assert differing(before, stage.observed("test", before)) == ()
    stamps = stage.own_databases()
    assert stamps[stage.test.database] == "test"
    assert sorted(s or "" for s in stamps.values()) == ["reference", "test"], stamps


@pytest.fixture
def own(stage: Stage) -> Iterator[tuple[Stage, Created]]:
    """A project of the test's own, whose test database was made from its only backup."""
    made = backed_up(stage, *SAMPLE)
    reseeded(stage, fresh_start=True)
    yield stage, made


@pytest.fixture(scope="module")
def ground(world: World) -> Iterator[tuple[Stage, Created]]:
    with world.stage(MAJORS[0], MAJORS[0]) as stage:
        made = backed_up(stage, *SAMPLE)
        reseeded(stage, fresh_start=True)
        yield stage, made


@pytest.fixture
def seeded(ground: tuple[Stage, Created]) -> Iterator[tuple[Stage, Created]]:
    """The same for tests that make no other backup and leave the settings alone; the test database is put back."""
    stage = dataclasses.replace(ground[0], progress=Quiet())
    yield stage, ground[1]
    with connect(stage.project.engine("test").target("postgres"), read_only=False) as connection:
        if databases.exists(connection, stage.test.database):
            identity.write_stamp(connection, stage.test.database, environment="test", project=stage.project.name)
    reseeded(stage, fresh_start=True)


# --- the way there ----------------------------------------------------------------------------------------------------


def test_the_first_time_has_to_be_said(stage: Stage) -> None:
    made = backed_up(stage, *SAMPLE)
    with pytest.raises(
        EmptyTestDatabaseError, match=r"^CATASTROPHIC FAILURE: test database .* has no tables$"
    ) as caught:
        reseeded(stage)
    assert caught.value.exit_code == 99 and "--fresh-start" in str(caught.value.hint)
    assert set(stage.own_databases().values()) == {"test"}
    done = reseeded(stage, fresh_start=True)
    assert (done.backup, done.database, done.tables, done.rows) == (made.manifest.id, stage.test.database, 1, 300)
    assert not done.reference_reused
    assert_equal(stage, made.observation)


@pytest.mark.long
def test_a_wiped_test_database_is_a_catastrophe(seeded: tuple[Stage, Created]) -> None:
    stage, made = seeded
    stage.run("test", "DROP TABLE public.item")
    with pytest.raises(EmptyTestDatabaseError):
        reseeded(stage)
    reseeded(stage, fresh_start=True)
    assert_equal(stage, made.observation)


def test_a_dropped_test_database_is_a_catastrophe(seeded: tuple[Stage, Created]) -> None:
    stage, made = seeded
    stage.run("test", f"DROP DATABASE {stage.test.database} WITH (FORCE)", database="postgres")
    with pytest.raises(EmptyTestDatabaseError):
        reseeded(stage)
    reseeded(stage, fresh_start=True)
    assert_equal(stage, made.observation)


@pytest.mark.long
def test_the_second_time_the_reference_is_copied(seeded: tuple[Stage, Created]) -> None:
    stage, made = seeded
    stage.run("test", "DELETE FROM public.item WHERE id > 5", "CREATE TABLE public.agents_own (a int)")
    done = reseeded(stage)
    assert done.reference_reused
    assert_equal(stage, made.observation)


@pytest.mark.long
def test_people_who_are_connected_are_sent_away(seeded: tuple[Stage, Created]) -> None:
    stage, _ = seeded
    stop = threading.Event()

    def intrude() -> None:
        while not stop.is_set():
            with contextlib.suppress(psycopg.Error), psycopg.connect(stage.test.conninfo()) as session:
                session.execute("UPDATE public.item SET words = 'agent'")

    with contextlib.closing(psycopg.connect(stage.test.conninfo())) as idle:
        idle.execute("INSERT INTO public.item (words) VALUES ('not committed')")
        intruder = threading.Thread(target=intrude)
        intruder.start()
        try:
            done = reseeded(stage)
        finally:
            stop.set()
            intruder.join()
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
    assert done.rows == stage.value("test", "SELECT count(*) FROM public.item") == 300
    assert sorted(s or "" for s in stage.own_databases().values()) == ["reference", "test"]


def test_a_lock_that_somebody_holds_in_the_test_database_is_no_obstacle(
    seeded: tuple[Stage, Created], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration of an agent that hangs: that database is about to be replaced."""
    stage, _ = seeded
    monkeypatch.setitem(PINNED_SETTINGS, "lock_timeout", "1s")
    with contextlib.closing(psycopg.connect(stage.test.conninfo())) as hanging:
        hanging.execute("LOCK TABLE public.item IN ACCESS EXCLUSIVE MODE")
        reseeded(stage)


def test_an_older_backup_can_be_asked_for(own: tuple[Stage, Created]) -> None:
    stage, made = own
    later = backed_up(stage, "INSERT INTO public.item (words) VALUES ('later')")
    assert reseeded(stage).backup == later.manifest.id
    assert_equal(stage, later.observation)
    assert reseeded(stage, f"{made.manifest.id}.dump").backup == made.manifest.id
    assert_equal(stage, made.observation)


def test_production_may_be_down(own: tuple[Stage, Created]) -> None:
    stage, made = own
    port = stage.project.settings.production.db_port
    stage = stage.reopened(**{f"db_port = {port}": "db_port = 9"})
    reseeded(stage)
    assert_equal(stage, made.observation)


@pytest.mark.long
def test_proving_a_backup_leaves_the_test_database_alone(own: tuple[Stage, Created]) -> None:
    stage, _ = own
    stage.run("test", "DELETE FROM public.item")
    later = backed_up(stage, "INSERT INTO public.item (words) VALUES ('later')")
    prove_backup(stage.project, later.entry, Quiet())
    assert stage.value("test", "SELECT count(*) FROM public.item") == 0
    assert reseeded(stage).reference_reused
    assert_equal(stage, later.observation)


# --- what agents did --------------------------------------------------------------------------------------------------


def reference_of(stage: Stage) -> str:
    return next(name for name, stamp in stage.own_databases().items() if stamp == "reference")


@pytest.mark.parametrize(
    "harm",
    some(
        [
            "UPDATE public.item SET words = 'planted' WHERE id = 7",
            "DELETE FROM public.item WHERE id = 7",
            "CREATE TABLE public.planted (a int)",
            "DROP INDEX IF EXISTS x; ALTER TABLE public.item DROP CONSTRAINT item_pkey",
            "CREATE FUNCTION public.planted() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "SELECT setval('public.item_id_seq', 9999)",
            "GRANT ALL ON public.item TO PUBLIC",
            "DROP TABLE public.item",
        ],
        keep=1,
    ),
)
def test_a_reference_that_was_touched_is_made_anew(seeded: tuple[Stage, Created], harm: str) -> None:
    stage, made = seeded
    stage.run("test", *harm.split("; "), database=reference_of(stage))
    done = reseeded(stage)
    assert not done.reference_reused
    assert "the reference was touched since it was made; making it anew" in stage.progress.said
    assert_equal(stage, made.observation)
    assert reseeded(stage).reference_reused


@pytest.mark.parametrize(
    "harm",
    some(
        [
            "DROP DATABASE {reference} WITH (FORCE)",
            "ALTER DATABASE {reference} RESET ringfence.baseline",
            "ALTER DATABASE {reference} SET ringfence.baseline = 'other'",
            "ALTER DATABASE {reference} RESET ALL",
            "ALTER DATABASE {reference} RENAME TO {reference}_elsewhere",
            "ALTER DATABASE {reference} IS_TEMPLATE true",
            "ALTER DATABASE {reference} CONNECTION LIMIT 0",
            "ALTER DATABASE {reference} ALLOW_CONNECTIONS false",
            "ALTER DATABASE {reference} SET default_transaction_read_only = on",
            "ALTER DATABASE {reference} SET search_path = nowhere",
            "ALTER DATABASE {test} IS_TEMPLATE true",
            "ALTER DATABASE {test} CONNECTION LIMIT 0",
            "ALTER DATABASE {test} SET session_replication_role = replica",
            "ALTER ROLE ALL SET statement_timeout = '1h'",
            "CREATE DATABASE {reference}_planted TEMPLATE {reference}",
        ],
        keep=1,
    ),
)
def test_whatever_was_done_to_the_databases_the_next_reseed_works(seeded: tuple[Stage, Created], harm: str) -> None:
    stage, made = seeded
    words = {"reference": reference_of(stage), "test": stage.test.database}
    stage.run("test", harm.format(**words), database="postgres")
    try:
        reseeded(stage)
        done = reseeded(stage)
    finally:
        stage.run("test", "ALTER ROLE ALL RESET ALL", database="postgres")
        with connect(stage.project.engine("test").target(), read_only=False) as connection:
            for suffix in ("_planted", "_elsewhere"):
                if stage.own_databases().get(words["reference"] + suffix) != "reference":
                    databases.drop(connection, words["reference"] + suffix)
    assert done.reference_reused
    assert differing(made.observation, stage.observed("test", made.observation)) == ()


def test_a_test_database_that_accepts_no_connections_is_replaced(seeded: tuple[Stage, Created]) -> None:
    """The test role is a superuser there: an agent can do that, and nothing but psql could undo it."""
    stage, made = seeded
    stage.run("test", f"ALTER DATABASE {stage.test.database} ALLOW_CONNECTIONS false", database="postgres")
    reseeded(stage, fresh_start=True)
    assert_equal(stage, made.observation)


def test_databases_of_others_with_our_names_are_left_alone(seeded: tuple[Stage, Created]) -> None:
    stage, made = seeded
    with connect(stage.project.engine("test").target(), read_only=False) as connection:
        taken = [databases.beside(stage.test.database, p) for p in ("incoming", "replaced")]
        for name in taken:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        reseeded(stage)
        assert all(databases.exists(connection, name) for name in taken)
        for name in taken:
            databases.drop(connection, name)
    assert differing(made.observation, stage.observed("test", made.observation)) == ()


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stamp", some(["other environment", "none", "other project"], keep=1))
def test_a_database_without_the_stamp_is_refused(seeded: tuple[Stage, Created], stamp: str) -> None:
    stage, _ = seeded
    name = stage.test.database
    change = {
        "none": "RESET ALL",
        "other environment": "SET ringfence.environment = 'production'",
        "other project": "SET ringfence.project = 'other'",
    }[stamp]
    stage.run("test", f"ALTER DATABASE {name} {change}", "CREATE TABLE public.important (a int)")
    with pytest.raises(IdentityError, match=f'^database "{name}" carries ') as caught:
        reseeded(stage, fresh_start=True)
    assert caught.value.exit_code == 7
    assert stage.value("test", "SELECT to_regclass('public.important') IS NOT NULL") is True


def test_the_server_of_the_backup_is_refused(own: tuple[Stage, Created]) -> None:
    """F83, F84: whatever the settings say, the server is asked."""
    stage, made = own
    ports = (stage.project.settings.production.db_port, stage.project.settings.test.db_port)
    stage = stage.reopened(**{f"db_port = {ports[0]}": "db_port = 9"})
    stage = stage.reopened(
        **{f"db_port = {ports[1]}": f"db_port = {ports[0]}", '"shared_test"': '"shared_admin"'}
        | {'admin_role = "shared_admin"': 'admin_role = "other_admin"'}
    )
    with pytest.raises(IdentityError, match="is the server the backup was taken from") as caught:
        reseeded(stage, made.manifest.id, fresh_start=True)
    assert caught.value.exit_code == 7


@pytest.mark.long
def test_no_backup_at_all(stage: Stage) -> None:
    with pytest.raises(BackupError, match="there is no backup in"):
        reseeded(stage, fresh_start=True)


def test_a_restore_that_differs_changes_nothing(own: tuple[Stage, Created], monkeypatch: pytest.MonkeyPatch) -> None:
    """The one thing between a wrong restore and the test database is the comparison."""
    stage, _ = own
    stage.run("test", "UPDATE public.item SET words = 'as it was' WHERE id = 1")
    backed_up(stage, "INSERT INTO public.item (words) VALUES ('later')")
    real = restore

    def badly(*arguments: object, **options: object) -> None:
        real(*arguments, **options)  # type: ignore[arg-type]
        target = arguments[2]
        with psycopg.connect(target.conninfo(), autocommit=True) as connection:  # type: ignore[attr-defined]
            connection.execute("UPDATE public.item SET words = 'wrong' WHERE id = 3")

    monkeypatch.setattr(rebuild, "restore", badly)
    with pytest.raises(RestoreError, match=r'differs from the baseline in 1 place: rows of "public"\."item"') as caught:
        reseeded(stage)
    assert caught.value.exit_code == 6
    assert stage.value("test", "SELECT words FROM public.item WHERE id = 1") == "as it was"
    monkeypatch.undo()
    assert reseeded(stage).rows == 301
    assert sorted(s or "" for s in stage.own_databases().values()) == ["reference", "test"]


def test_a_restore_that_fails_changes_nothing(own: tuple[Stage, Created]) -> None:
    """F37."""
    stage, _ = own
    stage.run("test", "UPDATE public.item SET words = 'as it was' WHERE id = 1")
    backed_up(
        stage,
        "CREATE FUNCTION public.inner_f(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0'",
        "CREATE FUNCTION public.outer_f(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN inner_f($1); END'",
        "ALTER TABLE public.item ADD CHECK (public.outer_f(id))",
    )
    with pytest.raises(RestoreError, match=r"inner_f\(integer\) does not exist"):
        reseeded(stage)
    assert stage.value("test", "SELECT words FROM public.item WHERE id = 1") == "as it was"


# --- everything there is ----------------------------------------------------------------------------------------------

PAIRS = [p for p in ((18, 18), (15, 15), (16, 16), (15, 18), (16, 18), (15, 16)) if set(p) <= set(MAJORS)]
OUTER_FIRST = lambda pair: (pair != (MAJORS[-1], MAJORS[0]), pair != (MAJORS[0], MAJORS[0]))  # noqa: E731
COLLATION = 'CREATE COLLATION zoo.c FROM "C"'
OPTIONS = "ALTER VIEW zoo.shown SET (security_invoker = true)"
MULTIRANGE = "CREATE TYPE zoo.span AS RANGE (subtype = float8)"
IN_OTHER_WORDS = {
    COLLATION: "integrity/travel: collencoding is -1 in the original and the database's own after a restore",
    OPTIONS: "integrity: the options of a view are compared in the order in which they were set",
    MULTIRANGE: "integrity/travel: before 17 no dump carries the owner of a multirange type",
}
"""Statements after which a sound restore shows something in other words, and what."""


def test_what_is_not_carried_yet_is_in_the_zoo() -> None:
    assert set(IN_OTHER_WORDS) <= set(zoo(18))


@pytest.mark.parametrize("pair", some(sorted(PAIRS, key=OUTER_FIRST), keep=1), ids=lambda p: f"{p[0]}to{p[1]}")
def test_one_of_everything_is_carried(world: World, pair: tuple[int, int]) -> None:
    known = {COLLATION, OPTIONS} if pair[0] == pair[1] else set()
    with world.stage(*pair) as stage:
        statements = [s for s in zoo(pair[0]) if s not in known]
        made = backed_up(stage, *statements)
        done = reseeded(stage, fresh_start=True)
        assert done.tables > 12
        assert_equal(stage, made.observation)
        assert reseeded(stage).reference_reused
        assert_equal(stage, made.observation)
        for query in (
            "SELECT count(*) FROM zoo.part_2026_1",
            "SELECT convert_from(lo_get(4711), 'UTF8')",
            "SELECT polroles::regrole[]::text FROM pg_policy WHERE polname = 'odd one'",
            "SELECT obj_description('zoo.kinds'::regclass)",
            "SELECT last_value FROM zoo.counter",
            "SELECT relpersistence FROM pg_class WHERE oid = 'zoo.fleeting'::regclass",
        ):
            assert stage.value("test", query) == stage.value("production", query), query


@pytest.mark.parametrize("major", some(MAJORS, keep=1), ids=lambda m: f"pg{m}")
@pytest.mark.parametrize("statement", some(IN_OTHER_WORDS, keep=1), ids=["collation", "options", "multirange"])
def test_what_a_restore_says_in_other_words(world: World, major: int, statement: str) -> None:
    view = "CREATE VIEW zoo.shown WITH (security_barrier) AS SELECT id FROM public.item WITH CHECK OPTION"
    with world.stage(major, major) as stage:
        made = backed_up(stage, *SAMPLE, "CREATE SCHEMA zoo", view, statement)
        reseeded(stage, fresh_start=True)
        assert_equal(stage, made.observation)


@pytest.mark.skipif(len(MAJORS) < 2, reason="needs two majors")
def test_an_older_test_server_is_told_as_the_reason(world: World) -> None:
    with world.stage(MAJORS[0], MAJORS[-1]) as stage:
        backed_up(stage, *SAMPLE)
        with pytest.raises(RestoreError, match="older"):
            reseeded(stage, fresh_start=True)


LOCALES = ("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'", "LC_COLLATE 'C.UTF-8'")


def test_roles_that_the_test_server_does_not_have_are_made_without_a_login(stage: Stage) -> None:
    """F38; names that SQL has to quote, too."""
    names = ('app-user"x', "Upper", "user")
    backed_up(
        stage,
        *SAMPLE,
        *(
            statement
            for name in names
            for statement in (
                f"CREATE ROLE \"{name.replace(chr(34), chr(34) * 2)}\" LOGIN PASSWORD 'secret'",
                f'GRANT SELECT ON public.item TO "{name.replace(chr(34), chr(34) * 2)}"',
            )
        ),
    )
    reseeded(stage, fresh_start=True)
    listed = ", ".join(f"'{name}'" for name in names)
    query = f"SELECT array_agg(rolname::text ORDER BY rolname) FROM pg_authid WHERE rolname IN ({listed})"
    assert stage.value("test", query) == sorted(names)
    assert stage.value("test", f"{query} AND NOT rolcanlogin AND rolpassword IS NULL") == sorted(names)


@pytest.mark.parametrize("clause", some(LOCALES, keep=1))
def test_a_production_with_another_locale(stage: Stage, clause: str) -> None:
    provider = " LOCALE_PROVIDER libc" if MAJORS[0] >= 15 else ""
    name = stage.production.database
    with connect(stage.project.engine("production").target(), read_only=False) as connection:
        databases.drop(connection, name)
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 {clause}{provider}".encode())
        for key, value in (("environment", "production"), ("project", stage.project.name)):
            connection.execute(f"ALTER DATABASE {name} SET ringfence.{key} = '{value}'".encode())
    environments.up(stage.project, ("production",), stage.progress, accept_new_identity=True)
    made = backed_up(stage, *SAMPLE, "INSERT INTO public.item (words) VALUES ('é')")
    reseeded(stage, fresh_start=True)
    assert_equal(stage, made.observation)
    query = "SELECT pg_encoding_to_char(encoding) || datcollate FROM pg_database WHERE datname = current_database()"
    assert stage.value("test", query) == stage.value("production", query)


@pytest.mark.long
def test_two_thousand_tables(stage: Stage) -> None:
    """F34: every table takes a lock in one transaction, here and there."""
    with psycopg.connect(stage.production.conninfo(), autocommit=True) as connection:
        for start in range(0, 2000, 100):
            connection.execute(
                "".join(
                    f"CREATE TABLE public.t{n} (id serial PRIMARY KEY, words text); "
                    f"INSERT INTO public.t{n} (words) VALUES ('{n}');"
                    for n in range(start, start + 100)
                ).encode()
            )
    started = time.monotonic()
    made = create_backup(stage.project, issue=None, progress=stage.progress)
    backed_up_s = time.monotonic() - started
    done = reseeded(stage, fresh_start=True)
    assert (done.tables, done.rows) == (2000, 2000)
    assert_equal(stage, made.observation)
    print(f"backup {backed_up_s:.1f} s, reseed {done.seconds:.1f} s, again {reseeded(stage).seconds:.1f} s")


@pytest.mark.skipif(MAJORS[:1] < (17,), reason="needs PostgreSQL 17")
def test_a_login_event_trigger_does_not_change_what_is_compared(stage: Stage) -> None:
    """17+: it would run at every session of the tool and of pg_dump, in the copies too."""
    made = backed_up(
        stage,
        *SAMPLE,
        "CREATE TABLE public.logins (at timestamptz)",
        "CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO public.logins VALUES (now()); END'",
        "CREATE EVENT TRIGGER noting ON login EXECUTE FUNCTION public.note()",
    )
    reseeded(stage, fresh_start=True)
    assert made.entry.problem is None


def test_the_swap_is_seen_by_nobody_as_no_database(seeded: tuple[Stage, Created]) -> None:
    """F08."""
    stage, _ = seeded
    stop = threading.Event()
    seen: list[str] = []

    def look() -> None:
        while not stop.is_set():
            try:
                with psycopg.connect(stage.test.conninfo()) as session:
                    row = session.execute("SELECT count(*) FROM public.item").fetchone()
                    seen.append(str(row[0] if row else None))
            except psycopg.Error as error:
                seen.append(str(error))

    looker = threading.Thread(target=look)
    looker.start()
    try:
        for _ in range(3):
            reseeded(stage)
        wait_until(lambda: seen.count("300") > 3)
    finally:
        stop.set()
        looker.join()
    words = "It seems to have just been dropped or renamed"
    assert not [s for s in seen if ("does not exist" in s and words not in s) or (s.isdigit() and s != "300")]


def test_the_test_database_never_claims_to_be_production(seeded: tuple[Stage, Created]) -> None:
    stage, _ = seeded
    assert "production" not in stage.own_databases().values()
    done = dataclasses.replace(reseeded(stage), seconds=0.0)
    assert done.database == stage.test.database
