"""The proof by WAL on live servers: what it must see, what it must not mind, and where it must not be trusted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import psycopg
import pytest
from tests.postgres.conftest import MAJORS, Server
from tests.thin import outer, some

from ringfence.integrity import baseline, fingerprint, observe, since, wal_mark, wal_proof
from ringfence.integrity.compare import differing
from ringfence.integrity.fingerprint import Load
from ringfence.integrity.model import Observation, State
from ringfence.integrity.since import RowsSince, Since
from ringfence.integrity.state import read_state
from ringfence.integrity.touched import WalReader
from ringfence.integrity.waldump import WalDump
from ringfence.integrity.walinspect import WalInspect
from ringfence.postgres.target import PassEntry, Target, add_passwords

pytestmark = pytest.mark.postgres

SLOTS = wal_mark.slot_prefix("test of the proof by WAL")
SCHEMA = """
CREATE TABLE part (id int PRIMARY KEY, v int, note text);
INSERT INTO part SELECT n, n % 7, repeat('x', 100) FROM generate_series(1, 30000) AS n;
CREATE TABLE big (id int PRIMARY KEY, body text);
ALTER TABLE big ALTER body SET STORAGE EXTERNAL;
INSERT INTO big SELECT n, repeat(md5(n::text), 200) FROM generate_series(1, 50) AS n;
CREATE TABLE "a""b; " ("c%s" int, "d{0}" text);
INSERT INTO "a""b; " SELECT n, 'v' FROM generate_series(1, 20000) AS n;
CREATE UNLOGGED TABLE cache (k int, v text);
INSERT INTO cache VALUES (1, 'a');
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE feeling (id int, mood mood);
INSERT INTO feeling VALUES (1, 'good'), (2, 'bad');
"""


@dataclass(kw_only=True)
class Stage:
    """A database with a baseline, and ways to look at it again."""

    server: Server
    target: Target
    before: Observation

    @property
    def reader(self) -> WalReader:
        """pg_waldump, or the server itself where there is none."""
        program = self.server.programs.path("pg_waldump")
        if not program.exists():
            return WalInspect(targets=[self.target])
        return WalDump(program=program, directory=self.server.data / "pg_wal", run_as=self.server.account)

    def run(self, *statements: str) -> None:
        self.server.execute(*statements, database=self.target.database)

    def look(self, *, full: bool = False, reader: WalReader | None = None) -> Since:
        with observe.open_snapshot(self.target) as snapshot:
            return since.observe_since(
                snapshot, self.before, readers=[reader or self.reader], load=Load(workers=2), full=full
            )

    def rows(self, *readers: WalReader | None, state: State | None = None) -> list[RowsSince]:
        """Only the rows, in one snapshot; None reads all of them. ``state`` spares reading the catalog."""
        with observe.open_snapshot(self.target) as snapshot:
            state = state or read_state(snapshot.connection, seed=self.before.seeds.first)
            return [
                since.rows_since(
                    snapshot,
                    self.before,
                    state,
                    readers=[reader] if reader else [],
                    load=Load(workers=1),
                    full=reader is None,
                )
                for reader in readers
            ]

    def differing(self, found: Since | RowsSince) -> set[str]:
        tables = found.tables if isinstance(found, RowsSince) else found.observation.tables
        return {t.name for t in differing(self.before, replace(self.before, tables=tables))}

    def again(self) -> None:
        """A new baseline of what there is now."""
        self.before = take(self.target)


def take(target: Target) -> Observation:
    """A baseline, as it comes back from a manifest."""
    with observe.open_marked_snapshot(target, slots=SLOTS) as snapshot:
        found = observe.observe(snapshot, observe.new_seeds(), workers=1)
    return baseline.from_json(baseline.to_json(found))


@pytest.fixture
def stage(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(wal_proof, "LEAST_WAL_BYTES", 64 << 20)  # the tables are small, and the WAL is what is tested
    with server.new_database() as target:
        server.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '256MB'", "SELECT pg_reload_conf()")
        server.execute(*[s for s in SCHEMA.split(";\n") if s.strip()], database=target.database)
        if not server.programs.path("pg_waldump").exists() and server.major >= 15:
            server.execute("CREATE EXTENSION pg_walinspect", database=target.database)
        server.execute("VACUUM (FREEZE, ANALYZE)", "CHECKPOINT", database=target.database)
        try:
            yield Stage(server=server, target=target, before=take(target))
        finally:
            wal_mark.sweep(target, prefix=SLOTS, keep=())


def test_where_no_transaction_wrote_no_row_is_read(stage: Stage) -> None:
    stage.run("SELECT sum(v) FROM part", "VACUUM part", "CHECKPOINT")
    found = stage.look()
    assert found.proof == "wal"
    assert "no transaction has written anything" in found.reasons[0]
    assert stage.differing(found) == set()


CHANGES: Mapping[str, tuple[str, str]] = {
    "update": ("UPDATE part SET v = v + 1 WHERE id = 17", "part"),
    "update of the last row": ("UPDATE part SET v = v + 1 WHERE id = 30000", "part"),
    "insert": ("INSERT INTO part VALUES (0, 1, 'n')", "part"),
    "delete": ("DELETE FROM part WHERE id = 20000", "part"),
    "only an oversized value": ("UPDATE big SET body = repeat('z', 9000) WHERE id = 7", "big"),
    "strange names": ('UPDATE "a""b; " SET "d{0}" = \'w\' WHERE "c%s" = 5', 'a"b; '),
    "many new blocks": ("INSERT INTO part SELECT n, 1, repeat('y', 900) FROM generate_series(40000, 42000) n", "part"),
    "truncate": ("TRUNCATE part", "part"),
    "filled again": ("INSERT INTO part SELECT n, n % 7, repeat('x', 100) FROM generate_series(1, 30000) AS n", "part"),
    "rewritten and changed": ("ALTER TABLE part ALTER v TYPE numeric", "part"),
    "column with a default": ("ALTER TABLE part ADD w int DEFAULT 5", "part"),
    "renamed label": ("ALTER TYPE mood RENAME VALUE 'good' TO 'fine'", "feeling"),
    "unlogged": ("UPDATE cache SET v = 'b'", "cache"),
    "deleted, and the end given back": ("DELETE FROM part WHERE id > 15000 ;; VACUUM part", "part"),
    "moved and changed": ("UPDATE part SET note = repeat('q', 300), v = 3 WHERE id BETWEEN 1 AND 400", "part"),
}


def test_every_kind_of_change_is_seen(stage: Stage) -> None:
    """Each change on a baseline of its own; the whole fingerprint says the same as the proof by WAL."""
    for name, (script, table) in CHANGES.items():
        stage.again()
        stage.run(*script.split(" ;; "))
        found, whole = stage.rows(stage.reader, None)
        assert found.tables == whole.tables, name
        assert stage.differing(found) == {table}, (name, found.reasons)


QUIET: tuple[str, ...] = (
    "VACUUM (FREEZE) part",
    "ANALYZE",
    "CHECKPOINT",
    "VACUUM",
    "SELECT count(*) FROM part WHERE v = 3",
    "BEGIN; UPDATE part SET v = 0; ROLLBACK",
    "BEGIN; SAVEPOINT a; DELETE FROM part WHERE id < 50; ROLLBACK TO a; SELECT txid_current(); COMMIT",
    "BEGIN; DELETE FROM part WHERE id = 9; INSERT INTO part SELECT 9, 2, repeat('x', 100); COMMIT",
    "BEGIN; SELECT * FROM part WHERE id = 4 FOR UPDATE; COMMIT",
    "VACUUM FULL part",
    "UPDATE part SET v = v WHERE id % 100 = 0",
    "VACUUM FULL big",
    "REINDEX TABLE part",
)


def test_every_range_that_differs_is_among_those_that_are_named(stage: Stage) -> None:
    stage.run("UPDATE part SET v = -1 WHERE id = 15000", "DELETE FROM part WHERE id = 3", "VACUUM part")
    by_wal, by_rows = stage.rows(stage.reader, None)
    assert (by_wal.proof, by_rows.proof) == ("wal", "fingerprint")
    with observe.open_snapshot(stage.target) as snapshot:
        tables = [t for t in snapshot.tables if t.name.name == "part"]
        (now,) = fingerprint.digest_whole(
            stage.target, tables, stage.before.seeds, snapshot=snapshot.name, load=Load(workers=1)
        )
    old = next(r for r in stage.before.ranges if r.table == now.table)
    assert len(old.digests) == len(now.digests) > 3
    differ = {n for n, digest in enumerate(now.digests) if digest != old.digests[n]}
    assert 0 < len(differ) < len(old.digests)
    assert differ <= set(by_wal.changed[now.table]) < set(range(len(old.digests)))
    assert differ <= set(by_rows.changed[now.table])


def test_quiet_work_is_no_change(stage: Stage) -> None:
    for script in QUIET:
        stage.run(script)
        (found,) = stage.rows(stage.reader, state=stage.before.state)
        assert stage.differing(found) == set(), (script, found.reasons)
        assert found.proof == "wal", (script, found.reasons)


@contextlib.contextmanager
def open_transaction(target: Target) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(target.conninfo()) as connection:
        yield connection


@pytest.mark.parametrize("end", some(["commit", "rollback", "prepared"], keep=2))
def test_a_transaction_that_wrote_before_the_baseline_and_ended_after(
    stage: Stage, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its blocks were written before the baseline's mark: the WAL since does not name them."""
    monkeypatch.setattr(wal_mark, "SETTLE_S", 0.2)
    with open_transaction(stage.target) as writer:
        writer.execute("UPDATE part SET v = 99 WHERE id = 5")
        if end == "prepared":
            writer.execute("PREPARE TRANSACTION 'p'")
        stage.run("CHECKPOINT")
        stage.again()
        assert stage.before.mark is not None and len(stage.before.mark.unsettled) == 1
        if end == "prepared":
            writer.commit()
            stage.run("COMMIT PREPARED 'p'")
        elif end == "commit":
            writer.commit()
        else:
            writer.rollback()
    stage.run("INSERT INTO big VALUES (51, 'x')")
    found = stage.look()
    assert found.observation.tables == stage.look(full=True).observation.tables
    assert ("part" in stage.differing(found)) == (end != "rollback")
    assert found.proof == ("wal" if end == "rollback" else "fingerprint"), found.reasons


def test_a_transaction_that_began_after_the_mark_needs_no_fallback(stage: Stage) -> None:
    with open_transaction(stage.target) as writer:
        begun = wal_mark.begin(stage.target, prefix=SLOTS)
        assert begun is not None
        writer.execute("UPDATE part SET v = 99 WHERE id = 5")
        with observe.open_snapshot(stage.target) as snapshot:
            assert wal_mark.unsettled(snapshot.connection, begun) == ()
            marked = replace(snapshot, mark=wal_mark.anchor(stage.target, begun, ()))
            stage.before = observe.observe(marked, observe.new_seeds(), workers=1)
        writer.commit()
    found = stage.look()
    assert (found.proof, stage.differing(found)) == ("wal", {"part"})


def test_wal_that_is_gone_is_not_taken_for_no_change(stage: Stage) -> None:
    assert stage.before.mark is not None
    wal_mark.sweep(stage.target, prefix=SLOTS, keep=())
    stage.run("UPDATE part SET v = 5 WHERE id = 1")
    for _ in range(3):
        stage.run("SELECT pg_switch_wal()", "CHECKPOINT", "INSERT INTO cache VALUES (1)", "SELECT txid_current()")
    found = stage.look()
    assert stage.differing(found) == {"part", "cache"}
    assert found.proof == "fingerprint"


def test_the_wal_of_another_history_is_not_believed(stage: Stage) -> None:
    assert stage.before.mark is not None
    stage.before = replace(stage.before, mark=replace(stage.before.mark, nonce="0" * 32))
    stage.run("UPDATE part SET v = 5 WHERE id = 1")
    found = stage.look()
    assert found.proof == "fingerprint"
    assert "the baseline's message is not in the WAL" in found.reasons[0]


def test_a_crash_does_not_hide_a_change(stage: Stage) -> None:
    stage.run("SET synchronous_commit = off; UPDATE part SET v = 5 WHERE id = 1")
    stage.run("UPDATE part SET v = 6 WHERE id = 2")
    stage.server.control("stop", "-m", "immediate")
    stage.server.control("-l", str(stage.server.base / "server.log"), "start")
    found, whole = stage.look(), stage.look(full=True)
    assert found.observation.tables == whole.observation.tables
    assert found.proof == "wal", found.reasons
    assert stage.differing(found) >= {"part", "cache"}


def test_a_database_that_is_copied_in_as_files_under_its_own_number(stage: Stage) -> None:
    """The files keep their numbers, and no record names a block: the copy of an altered copy looks like no change."""
    oid, name = stage.before.identity.database_oid, stage.target.database
    strategy = "STRATEGY file_copy" if stage.server.major >= 15 else ""
    with stage.server.new_database(template=name) as copy:
        stage.server.execute("UPDATE part SET v = 5 WHERE id = 1", "CHECKPOINT", database=copy.database)
        stage.server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        stage.server.execute(f"CREATE DATABASE {name} TEMPLATE {copy.database} {strategy} OID {oid}")
        found = stage.look()
    assert found.proof == "fingerprint", found.reasons
    assert stage.differing(found) >= {"part"}


def test_much_wal_is_not_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal_proof, "LEAST_WAL_BYTES", 1000)
    stage.run("UPDATE part SET v = 5")
    found = stage.look()
    assert found.proof == "fingerprint"
    assert "reading all rows is cheaper" in found.reasons[0]


@pytest.mark.parametrize("server", outer(MAJORS), indirect=True)
def test_pg_walinspect_names_what_pg_waldump_names(stage: Stage) -> None:
    """Changes of rows all at once; each with a baseline of its own among the long tests."""
    inspect = WalInspect(targets=[stage.target])
    try:
        stage.run("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server has no pg_walinspect")
    stage.again()
    for name in ("update", "insert", "only an oversized value", "strange names", "many new blocks"):
        stage.run(*CHANGES[name][0].split(" ;; "))
    stage.run("DELETE FROM part WHERE id > 29000", "VACUUM part")
    one, other, whole = stage.rows(inspect, stage.reader, None)
    assert one.tables == other.tables == whole.tables
    assert (one.proof, other.proof) == ("wal", "wal"), (one.reasons, other.reasons)
    assert stage.differing(one) == {"part", "big", 'a"b; '}


@pytest.mark.long
@pytest.mark.parametrize("server", outer(MAJORS), indirect=True)
def test_pg_walinspect_and_pg_waldump_see_each_change_alike(stage: Stage) -> None:
    try:
        stage.run("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server has no pg_walinspect")
    for script, table in CHANGES.values():
        stage.again()
        stage.run(*script.split(" ;; "))
        one, other = stage.rows(WalInspect(targets=[stage.target]), stage.reader)
        assert one.tables == other.tables
        assert stage.differing(one) == {table}
        assert one.proof == other.proof, (one.reasons, other.reasons)


def test_a_false_pg_walinspect_is_not_called(stage: Stage) -> None:
    stage.run("DROP EXTENSION IF EXISTS pg_walinspect")
    stage.run(
        "CREATE FUNCTION public.pg_get_wal_records_info(pg_lsn, pg_lsn) RETURNS TABLE (resource_manager text, "
        "record_type text, description text) LANGUAGE sql AS $$ SELECT 'x', 'x', 'x' $$"
    )
    stage.again()
    stage.run("UPDATE part SET v = 5 WHERE id = 1")
    found = stage.look(reader=WalInspect(targets=[stage.target]))
    assert (found.proof, stage.differing(found)) == ("fingerprint", {"part"})
    assert "not installed on production" in found.reasons[0] or "does not have it" in found.reasons[0]


def test_a_server_that_leaves_things_out_of_its_wal(servers: Mapping[int, Server]) -> None:
    """``wal_level = minimal`` allows no slot, and a table filled where it was made is not in the WAL."""
    server = next(iter(servers.values()))
    minimal = ("ALTER SYSTEM SET wal_level = minimal", "ALTER SYSTEM SET max_wal_senders = 0")
    with server.new_database() as target:
        server.execute("CREATE TABLE part (id int, v int)", database=target.database)
        server.execute(*minimal)
        server.control("-l", str(server.base / "server.log"), "restart")
        try:
            stage = Stage(server=server, target=target, before=take(target))
            assert stage.before.mark is not None and "wal_level is minimal" in (stage.before.mark.slot_note or "")
            assert stage.look().proof == "fingerprint" and stage.differing(stage.look()) == set()
            stage.run("BEGIN; TRUNCATE part; INSERT INTO part SELECT n, 1 FROM generate_series(1, 2000) AS n; COMMIT")
            found = stage.look()
            assert (found.proof, stage.differing(found)) == ("fingerprint", {"part"})
            assert found.reasons == ("every row was read again: wal_level is minimal: not everything is in the WAL",)
        finally:
            server.execute("ALTER SYSTEM RESET wal_level", "ALTER SYSTEM RESET max_wal_senders")
            server.control("-l", str(server.base / "server.log"), "restart")


def test_an_administrator_who_may_not_read_the_wal(servers: Mapping[int, Server]) -> None:
    """No superuser, no replication, no pg_read_server_files: every row is read, and it says what is missing."""
    server = next(iter(servers.values()))
    with server.new_database() as target:
        server.execute("CREATE ROLE limited LOGIN PASSWORD 'limited-1'")
        try:
            server.execute(
                *(f"ALTER DATABASE {target.database} OWNER TO limited", "GRANT CREATE ON SCHEMA public TO limited"),
                *("SET ROLE limited; CREATE TABLE part (id int, v int); INSERT INTO part VALUES (1, 1)",),
                database=target.database,
            )
            assert target.passfile is not None
            login = PassEntry(host=target.host, port=target.port, user="limited", password="limited-1")
            add_passwords(target.passfile, [login])
            stage = Stage(
                server=server, target=replace(target, user="limited"), before=take(replace(target, user="limited"))
            )
            assert stage.before.mark is not None and stage.before.mark.slot is None
            assert "no replication slot could be made" in (stage.before.mark.slot_note or "")
            stage.run("UPDATE part SET v = 2")
            found = stage.look(reader=WalInspect(targets=[stage.target]))
            assert (found.proof, stage.differing(found)) == ("fingerprint", {"part"})
            assert found.reasons[0].startswith("every row was read again: ")
        finally:
            server.execute("DROP OWNED BY limited CASCADE", database=target.database)
            server.execute(f"ALTER DATABASE {target.database} OWNER TO postgres", "DROP ROLE limited")
