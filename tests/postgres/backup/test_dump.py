"""pg_dump, reading back and pg_restore on live servers of every major."""

from __future__ import annotations

import contextlib
import os
import random
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.postgres.workflow.stage import wait_until

from ringfence import files
from ringfence.backup import dump as dumps
from ringfence.backup.dump import Method, dump, read_in_full
from ringfence.backup.formats.choice import DIRECTORY
from ringfence.backup.restore import restore
from ringfence.errors import BackupError, RestoreError
from ringfence.postgres.connection import connect, one_value
from ringfence.postgres.programs import choose_client, find_programs
from ringfence.postgres.target import Target

pytestmark = pytest.mark.postgres

ODD_NAMES = ['q"uote', "semi;colon'", "new\nline", "tab\there", "😀", "back\\slash", "$1 %s {}", "-rf", "..", "a/b"]
ODD_NAMES += ["\u202ertl", "ü" * 31, "UPPER", "a.b", "--snapshot=x", " "]


def run(target: Target, *statements: str) -> None:
    with psycopg.connect(target.conninfo(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextlib.contextmanager
def snapshot_of(target: Target) -> Iterator[str]:
    with connect(target) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield str(one_value(connection, sql.SQL("SELECT pg_catalog.pg_export_snapshot()")))
        connection.execute("COMMIT")


def dumped(server: Any, target: Target, path: Path, **options: Any) -> Path:
    with snapshot_of(target) as name:
        dump(server.programs, target, path, snapshot=name, timeout_s=60, **options)
    return path


def content(target: Target) -> dict[str, int]:
    """Every table and how many rows it has."""
    with psycopg.connect(target.conninfo()) as connection:
        tables = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind = 'r' AND n.nspname !~ '^pg_|^information_schema$'"
        ).fetchall()
        return {
            name: connection.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, name))
            ).fetchone()[0]  # type: ignore[index]
            for schema, name in tables
        }


def filled(target: Target, rows: int = 2000) -> None:
    run(
        target,
        "CREATE TABLE public.t (id int PRIMARY KEY, words text)",
        f"INSERT INTO public.t SELECT i, md5(i::text) || repeat('x', i % 50) FROM generate_series(1, {rows}) i",
    )


# --- the way there and back -------------------------------------------------------------------------------------------


def test_odd_names_go_there_and_back(database: Target, server: Any, tmp_path: Path) -> None:
    """F73."""
    with psycopg.connect(database.conninfo(), autocommit=True) as connection:
        for name in ODD_NAMES:
            identifier = sql.Identifier(name)
            connection.execute(sql.SQL("CREATE TABLE public.{} ({} int)").format(identifier, identifier))
            connection.execute(sql.SQL("INSERT INTO public.{} VALUES (1), (2)").format(identifier))
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(ODD_NAMES[0])))
        connection.execute(sql.SQL("CREATE TABLE {} (a int)").format(sql.Identifier(ODD_NAMES[0], ODD_NAMES[2])))
    path = dumped(server, database, tmp_path / "d")
    read_in_full(server.programs, path, timeout_s=60)
    with server.new_database(name=f"re{os.getpid()}\"st;ored'") as restored:
        restore(server.programs, path, restored, jobs=2, timeout_s=60, server="test")
        assert content(restored) == content(database)
        assert content(restored)["😀"] == 2


def test_no_tables_at_all(database: Target, server: Any, tmp_path: Path) -> None:
    """F35."""
    path = dumped(server, database, tmp_path / "d")
    assert 0 < path.stat().st_size < 5000
    read_in_full(server.programs, path, timeout_s=60)
    with server.new_database() as restored:
        restore(server.programs, path, restored, jobs=2, timeout_s=60, server="test")
        assert content(restored) == {}


def test_the_dump_is_of_the_snapshot_and_not_of_now(database: Target, server: Any, tmp_path: Path) -> None:
    """F48."""
    filled(database, 100)
    with snapshot_of(database) as name:
        run(database, "DELETE FROM public.t WHERE id > 50", "INSERT INTO public.t VALUES (1000, 'late')")
        dump(server.programs, database, tmp_path / "d", snapshot=name, timeout_s=60)
    with server.new_database() as restored:
        restore(server.programs, tmp_path / "d", restored, jobs=1, timeout_s=60, server="test")
        assert content(restored) == {"t": 100}


def test_a_snapshot_that_is_gone(database: Target, server: Any, tmp_path: Path) -> None:
    """F45."""
    with pytest.raises(BackupError, match=r"^backup not made: pg_dump ended with exit status 1: .*snapshot"):
        dump(server.programs, database, tmp_path / "d", snapshot="00000003-0000001B-1", timeout_s=60)


def test_a_database_that_is_not_there(database: Target, server: Any, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match='database "no such" does not exist') as caught:
        dump(server.programs, database.on("no such"), tmp_path / "d", snapshot="x", timeout_s=60)
    assert caught.value.exit_code == 5


def test_a_name_is_never_a_connection_string(server: Any, tmp_path: Path) -> None:
    """F79: a database whose name is one leads to itself."""
    name = f"host=192.0.2.1 dbname=postgres {os.getpid()}"
    with server.new_database(name=name) as target:
        run(target, "CREATE TABLE public.here (a int)")
        path = dumped(server, target, tmp_path / "d")
        with server.new_database(name=f"postgresql://192.0.2.1/{os.getpid()}") as restored:
            restore(server.programs, path, restored, jobs=1, timeout_s=60, server="test")
            assert content(restored) == {"here": 0}


def test_the_size_so_far_is_told(database: Target, server: Any, tmp_path: Path) -> None:
    filled(database)
    sizes: list[int] = []
    dumped(server, database, tmp_path / "d", on_bytes=sizes.append)
    assert sizes == sorted(sizes) and (not sizes or sizes[-1] <= (tmp_path / "d").stat().st_size)


def test_what_the_size_raises_ends_the_dump(database: Target, server: Any, tmp_path: Path) -> None:
    run(database, "CREATE TABLE public.t (a int)")

    def enough(size: int) -> None:
        raise BackupError("backup not made: enough")

    with psycopg.connect(database.conninfo()) as blocker:
        blocker.execute("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        with pytest.raises(BackupError, match="enough"):
            dumped(server, database, tmp_path / "d", on_bytes=enough)
        assert time.monotonic() - started < 5
    with psycopg.connect(database.conninfo()) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        for _ in range(100):
            if connection.execute(query).fetchone() == (0,):
                break
            connection.rollback()
            time.sleep(0.05)
        else:
            raise AssertionError("a session of the dump is still there")


def test_a_time_limit_ends_it(database: Target, server: Any, tmp_path: Path) -> None:
    run(database, "CREATE TABLE public.t (a int)")
    with psycopg.connect(database.conninfo()) as blocker, snapshot_of(database) as name:
        blocker.execute("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(BackupError, match=r"pg_dump did not end within 1.00 s; it was stopped"):
            dump(server.programs, database, tmp_path / "d", snapshot=name, timeout_s=1)


# --- in its way -------------------------------------------------------------------------------------------------------


def test_a_lock_is_waited_for_and_then_named(
    database: Target, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F29."""
    monkeypatch.setattr(dumps, "LOCK_WAIT_S", 1)
    run(database, 'CREATE TABLE public."SKU" (a int)', "CREATE TABLE public.free (a int)")
    with psycopg.connect(database.conninfo()) as blocker:
        blocker.execute('LOCK TABLE public."SKU" IN ACCESS EXCLUSIVE MODE')
        started = time.monotonic()
        with pytest.raises(BackupError, match=r'public\."SKU"') as caught:
            dumped(server, database, tmp_path / "d")
        assert 0.9 < time.monotonic() - started < 8
        assert "another session holds a lock" in str(caught.value.hint)
        blocker.rollback()
    dumped(server, database, tmp_path / "e")


def test_a_lock_that_is_let_go_in_time_is_no_error(database: Target, server: Any, tmp_path: Path) -> None:
    filled(database, 10)
    with psycopg.connect(database.conninfo()) as blocker:
        blocker.execute("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE")
        threading.Timer(0.7, blocker.rollback).start()
        dumped(server, database, tmp_path / "d")
    read_in_full(server.programs, tmp_path / "d", timeout_s=60)


def test_a_table_that_is_wanted_while_several_read_it_is_hinted_at(servers: Mapping[int, Any], tmp_path: Path) -> None:
    """The first session has its lock, another one queues for the whole table, and the second session must not wait."""
    server = servers[max(servers)]
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'public.{}'::regclass"
    with server.new_database() as target:
        run(target, "CREATE TABLE public.first (a int)", "CREATE TABLE public.last (a int)")
        with psycopg.connect(target.conninfo()) as blocker, ThreadPoolExecutor(max_workers=2) as pool:
            blocker.execute("LOCK TABLE public.last IN ACCESS EXCLUSIVE MODE")
            method = Method(form=DIRECTORY, jobs=2)
            dumping = pool.submit(dumped, server, target, tmp_path / "d", method=method)
            wait_until(lambda: one(target, waiting.format("last")) == 1)
            wanting = pool.submit(run, target, "BEGIN; LOCK TABLE public.first; COMMIT")
            wait_until(lambda: one(target, waiting.format("first")) == 1)
            blocker.rollback()
            with pytest.raises(BackupError, match=r"could not obtain lock on relation \"public.first\"") as caught:
                dumping.result()
            wanting.result()
        assert "[backup] jobs = 1" in str(caught.value.hint)


def one(target: Target, query: str) -> object:
    with psycopg.connect(target.conninfo()) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def test_a_lock_of_a_prepared_transaction_is_no_exception(
    database: Target, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F31: there is no session to wait for or to end."""
    monkeypatch.setattr(dumps, "LOCK_WAIT_S", 1)
    run(database, "CREATE TABLE public.t (a int)")
    gid = f"p{os.getpid()}{server.major}"
    run(database, f"BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION '{gid}'")
    try:
        with pytest.raises(BackupError, match=r"public.t"):
            dumped(server, database, tmp_path / "d")
    finally:
        run(database, f"ROLLBACK PREPARED '{gid}'")


def test_a_setting_of_the_role_does_not_take_the_limit_away(
    database: Target, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F30."""
    monkeypatch.setattr(dumps, "LOCK_WAIT_S", 1)
    name = sql.Identifier(database.database).as_string(None)
    run(database, "CREATE TABLE public.t (a int)")
    run(database, *(f"ALTER DATABASE {name} SET {s} = 0" for s in ("lock_timeout", "statement_timeout")))
    with psycopg.connect(database.conninfo()) as blocker:
        blocker.execute("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(BackupError, match=r"public.t"):
            dumped(server, database, tmp_path / "d")


@pytest.mark.skipif(len(find_programs()) < 2, reason="needs two majors")
def test_older_programs_are_refused_by_pg_dump_too(servers: Mapping[int, Any], tmp_path: Path) -> None:
    """F32; `choose_client` never lets it come to this."""
    newest, oldest = servers[max(servers)], servers[min(servers)]
    words = "server version mismatch"
    with (
        newest.new_database() as target,
        snapshot_of(target) as name,
        pytest.raises(BackupError, match=words) as caught,
    ):
        dump(oldest.programs, target, tmp_path / "d", snapshot=name, timeout_s=60)
    assert "client programs" in str(caught.value.hint)


@pytest.mark.skipif(len(find_programs()) < 2, reason="needs two majors")
def test_newer_programs_can_dump_an_older_server(servers: Mapping[int, Any], tmp_path: Path) -> None:
    oldest, newest = servers[min(servers)], servers[max(servers)]
    chosen = choose_client([newest.programs], server_major=oldest.major)
    with oldest.new_database() as target, newest.new_database() as restored:
        filled(target, 10)
        with snapshot_of(target) as name:
            dump(chosen, target, tmp_path / "d", snapshot=name, timeout_s=60)
        restore(chosen, tmp_path / "d", restored, jobs=2, timeout_s=60, server="test")
        assert content(restored) == {"t": 10}


def test_a_directory_that_cannot_be_written_to(database: Target, server: Any, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="No such file or directory"):
        dumped(server, database, tmp_path / "gone" / "d")


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def archive(servers: Mapping[int, Any], tmp_path: Path) -> tuple[Any, bytes, Path]:
    """A compressed dump of the newest server, as bytes, and where to write a damaged one."""
    server = servers[max(servers)]
    with server.new_database() as target:
        filled(target, 20_000)
        path = dumped(server, target, tmp_path / "whole")
    return server.programs, path.read_bytes(), tmp_path / "damaged"


def test_a_whole_archive_is_read(archive: tuple[Any, bytes, Path]) -> None:
    programs, whole, path = archive
    assert len(whole) > 200_000
    path.write_bytes(whole)
    read_in_full(programs, path, timeout_s=60)


@pytest.mark.parametrize("keep", [0, 3, 100, 0.5, 0.9, -100_000, -100, -1])
def test_a_truncated_archive_is_found(archive: tuple[Any, bytes, Path], keep: float) -> None:
    """F16: a listing would accept most of these."""
    programs, whole, path = archive
    end = int(len(whole) * keep) if isinstance(keep, float) else keep
    path.write_bytes(whole[:end])
    with pytest.raises(BackupError, match=r"^dump damaged is damaged: pg_restore ended with exit status 1: "):
        read_in_full(programs, path, timeout_s=60)


def test_flipped_bits_in_the_data_are_found_by_reading(archive: tuple[Any, bytes, Path]) -> None:
    """F17: zlib's checksum covers the data."""
    programs, whole, path = archive
    digest = _digest(path, whole)
    chance = random.Random(3)
    for _ in range(10):
        place = chance.randrange(len(whole) // 10, len(whole) * 9 // 10)
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        assert _digest(path, bytes(damaged)) != digest
        with pytest.raises(BackupError, match="is damaged"):
            read_in_full(programs, path, timeout_s=60)


def test_flipped_bits_anywhere_are_found_by_the_digest(archive: tuple[Any, bytes, Path]) -> None:
    """F18: the table of contents and a dump without compression have no checksum of their own."""
    _, whole, path = archive
    digest = _digest(path, whole)
    chance = random.Random(4)
    for place in [*range(200), *chance.sample(range(len(whole)), 100), len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        assert _digest(path, bytes(damaged)) != digest


def _digest(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return files.sha256_file(path)


@pytest.mark.parametrize("data", [b"", b"PGDMP", b"SELECT 1;\n", b"\0" * 10_000, b"PGDMP" + b"\xff" * 5000])
def test_what_is_no_archive_is_damaged(archive: tuple[Any, bytes, Path], data: bytes) -> None:
    programs, _, path = archive
    path.write_bytes(data)
    with pytest.raises(BackupError, match="is damaged"):
        read_in_full(programs, path, timeout_s=60)


def test_an_archive_that_is_not_there_is_damaged(archive: tuple[Any, bytes, Path]) -> None:
    programs, _, path = archive
    with pytest.raises(BackupError, match=r"dump damaged is damaged: .*No such file"):
        read_in_full(programs, path, timeout_s=60)


def test_reading_back_writes_nothing(archive: tuple[Any, bytes, Path]) -> None:
    programs, whole, path = archive
    path.write_bytes(whole)
    before = {p.name for p in path.parent.iterdir()}
    null = os.stat("/dev/null")
    read_in_full(programs, path, timeout_s=60)
    assert {p.name for p in path.parent.iterdir()} == before
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and os.stat("/dev/null").st_rdev == null.st_rdev


# --- restoring --------------------------------------------------------------------------------------------------------


def test_the_first_error_ends_a_restore(database: Target, server: Any, tmp_path: Path) -> None:
    """F37: a CHECK that calls a function by an unqualified name passes pg_dump and fails here."""
    filled(database, 10)
    run(
        database,
        "CREATE FUNCTION public.inner_f(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0'",
        "CREATE FUNCTION public.outer_f(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN inner_f($1); END'",
        "ALTER TABLE public.t ADD CHECK (public.outer_f(id))",
    )
    path = dumped(server, database, tmp_path / "d")
    words = r"^restore of d failed: .*function inner_f\(integer\) does not exist"
    with server.new_database() as restored, pytest.raises(RestoreError, match=words) as caught:
        restore(server.programs, path, restored, jobs=2, timeout_s=60, server="test")
    assert caught.value.exit_code == 6


def test_a_role_that_is_missing_is_named(database: Target, server: Any, tmp_path: Path) -> None:
    """F38."""
    role = f"missing_{os.getpid()}_{server.major}"
    run(database, "CREATE TABLE public.t (a int)", f"CREATE ROLE {role}", f"GRANT SELECT ON public.t TO {role}")
    try:
        path = dumped(server, database, tmp_path / "d")
    finally:
        run(database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    with server.new_database() as restored, pytest.raises(RestoreError, match=f'role "{role}" does not exist'):
        restore(server.programs, path, restored, jobs=1, timeout_s=60, server="test")


def test_an_extension_that_is_missing_is_hinted_at(
    database: Target, servers: Mapping[int, Any], tmp_path: Path
) -> None:
    """F42: contrib is in the system's packages and not in the wheel."""
    with psycopg.connect(database.conninfo()) as connection:
        if not connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pgcrypto'").fetchone():
            pytest.skip("this server has no contrib")
    without = next((s for s in servers.values() if s.programs.source == "wheel" and s.port != database.port), None)
    if without is None:
        pytest.skip("every server has contrib")
    run(database, "CREATE EXTENSION pgcrypto")
    server = next(s for s in servers.values() if s.port == database.port)
    path = dumped(server, database, tmp_path / "d")
    with without.new_database() as restored, pytest.raises(RestoreError, match="pgcrypto") as caught:
        restore(without.programs, path, restored, jobs=1, timeout_s=60, server="test")
    assert "install that extension on the test server" in str(caught.value.hint)


def test_a_subscription_does_not_get_into_the_copy(database: Target, server: Any, tmp_path: Path) -> None:
    """A test server must not ask production's publisher for anything, and a database with one cannot be dropped."""
    run(
        database,
        "CREATE SUBSCRIPTION s CONNECTION 'host=192.0.2.1 dbname=x' PUBLICATION p WITH (connect = false)",
    )
    try:
        path = dumped(server, database, tmp_path / "d")
        with server.new_database() as restored:
            restore(server.programs, path, restored, jobs=1, timeout_s=60, server="test")
            with psycopg.connect(restored.conninfo(), autocommit=True) as connection:
                query = (
                    "SELECT count(*) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid "
                    "WHERE d.datname = current_database()"
                )
                found = connection.execute(query).fetchone()
                if found != (0,):
                    connection.execute("ALTER SUBSCRIPTION s SET (slot_name = NONE)")
                    connection.execute("DROP SUBSCRIPTION s")
            assert found == (0,)
    finally:
        run(database, "ALTER SUBSCRIPTION s SET (slot_name = NONE)", "DROP SUBSCRIPTION s")


def test_a_restore_that_is_killed_leaves_nobody_behind(database: Target, server: Any, tmp_path: Path) -> None:
    filled(database, 300_000)
    path = dumped(server, database, tmp_path / "d")
    with server.new_database() as restored:

        def give_up() -> None:
            raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            restore(server.programs, path, restored, jobs=3, timeout_s=60, server="test", on_tick=give_up)
        with psycopg.connect(server.target.conninfo(), autocommit=True) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            for _ in range(200):
                if connection.execute(query, (restored.database,)).fetchone() == (0,):
                    break
                time.sleep(0.05)
            else:
                raise AssertionError("sessions of the restore are still there")
