"""A live application on real servers: what it writes passes, what anybody else writes does not."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from tests.postgres.conftest import MAJORS, Server
from tests.thin import outer, some

from ringfence.integrity import baseline, live, observe, wal_mark, witness
from ringfence.integrity.attribution import Application
from ringfence.integrity.compare import compare, differing
from ringfence.integrity.live_rules import Attribution
from ringfence.integrity.model import Comparison, Observation, RowChanges, TableName, TableRule
from ringfence.integrity.touched import WalReader
from ringfence.integrity.waldump import WalDump
from ringfence.integrity.walinspect import WalInspect
from ringfence.postgres.connection import connect
from ringfence.postgres.target import PassEntry, Target, add_passwords

pytestmark = pytest.mark.postgres

SLOTS = wal_mark.slot_prefix("test of live")
APP, OTHER, PASSWORD = "live 'app%s", "live_other", "live-password-1"
SCHEMA = """
CREATE TABLE part (id int PRIMARY KEY, v int, note text);
INSERT INTO part SELECT n, n % 7, 'x' FROM generate_series(1, 2000) AS n;
CREATE TABLE entry (id serial PRIMARY KEY, v int);
INSERT INTO entry (v) SELECT n FROM generate_series(1, 100) AS n;
CREATE TABLE "a""b; " (id int, v int) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF "a""b; " FOR VALUES FROM (0) TO (100);
CREATE TABLE high PARTITION OF "a""b; " FOR VALUES FROM (100) TO (200);
INSERT INTO "a""b; " SELECT n, 0 FROM generate_series(1, 150) AS n;
CREATE UNLOGGED TABLE cache (k int);
CREATE FUNCTION forget(int) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM public.part WHERE id = $1';
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO "live 'app%s", live_other;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "live 'app%s", live_other
"""
LIVE, GROWING = TableRule(rule="live"), TableRule(rule="append-only")


@dataclass(kw_only=True)
class Stage:
    """A database with a witness and a baseline; ``app`` and ``other`` are roles with the same rights on its tables."""

    server: Server
    target: Target
    before: Observation
    application: Application
    has_walinspect: bool

    @property
    def readers(self) -> list[WalReader]:
        """Every source this server has."""
        found: list[WalReader] = []
        program = self.server.programs.path("pg_waldump")
        if program.exists():
            found.append(WalDump(program=program, directory=self.server.data / "pg_wal", run_as=self.server.account))
        if self.has_walinspect:
            found.append(WalInspect(targets=[self.target]))
        return found

    def as_role(self, role: str, *statements: str) -> None:
        """Run statements in one session of a role, each a transaction or a BEGIN … COMMIT of its own."""
        with psycopg.connect(self._of(role).conninfo(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def app(self, *statements: str) -> None:
        self.as_role(APP, *statements)

    def admin(self, *statements: str) -> None:
        self.server.execute(*statements, database=self.target.database)

    def _of(self, role: str) -> Target:
        return Target(
            host=self.target.host,
            port=self.target.port,
            database=self.target.database,
            user=role,
            passfile=self.target.passfile,
        )

    def again(self) -> None:
        """A new baseline of what there is now."""
        with observe.open_marked_snapshot(self.target, slots=SLOTS) as snapshot:
            found = observe.observe(snapshot, observe.new_seeds(), workers=1)
        self.before = baseline.from_json(baseline.to_json(found))

    def look(
        self, reader: WalReader | None = None, changes: Mapping[TableName, RowChanges | None] | None = None
    ) -> tuple[Comparison, Attribution]:
        """What a verification says; rows are not compared unless ``changes`` says how they differ."""
        with observe.open_snapshot(self.target) as snapshot:
            after = observe.observe(snapshot, self.before.seeds, workers=1)
            who = live.attribute(
                snapshot,
                self.before,
                after.state,
                readers=[reader or self.readers[0]],
                application=self.application,
            )
        rules = {t.table: LIVE for t in self.before.tables}
        rules |= {TableName(schema="public", name="entry"): GROWING, witness.WITNESS: TableRule(rule="exact")}
        found = compare(self.before, after, rules=rules, changes=changes or {}, proof="fingerprint", live=who)
        assert {t.table for t in found.tables if t.verdict != "unchanged"} <= {*differing(self.before, after)}
        return found, who


@pytest.fixture(scope="module")
def stages(servers: Mapping[int, Server]) -> Iterator[dict[int, Stage]]:
    with contextlib.ExitStack() as stack:
        made: dict[int, Stage] = {}

        def stage(server: Server) -> Stage:
            if server.major not in made:
                made[server.major] = stack.enter_context(_stage(server))
            return made[server.major]

        yield _Lazy(stage)  # type: ignore[misc]


class _Lazy(dict[int, Stage]):
    """Stages by major, made when one is asked for."""

    def __init__(self, make) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.make = make


@pytest.fixture
def stage(server: Server, stages) -> Stage:  # type: ignore[no-untyped-def]
    found: Stage = stages.make(server)
    found.admin("INSERT INTO part SELECT n, n % 7, 'x' FROM generate_series(1, 2000) AS n ON CONFLICT DO NOTHING")
    found.again()
    return found


@contextlib.contextmanager
def _stage(server: Server) -> Iterator[Stage]:
    application = Application(role=APP, clients=("127.0.0.0/8",))
    quoted = '"live \'app%s"'
    with server.new_database() as target:
        server.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '256MB'", "SELECT pg_reload_conf()")
        server.execute(
            f"CREATE ROLE {quoted} LOGIN PASSWORD '{PASSWORD}'", f"CREATE ROLE {OTHER} LOGIN PASSWORD '{PASSWORD}'"
        )
        assert target.passfile is not None
        add_passwords(
            target.passfile,
            [PassEntry(host=target.host, port=target.port, user=user, password=PASSWORD) for user in (APP, OTHER)],
        )
        server.execute(*[s for s in SCHEMA.split(";\n") if s.strip()], database=target.database)
        try:
            server.execute("CREATE EXTENSION pg_walinspect", database=target.database)
            has = True
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            has = False
        try:
            _install(target, application, server.major)
            yield Stage(server=server, target=target, before=None, application=application, has_walinspect=has)  # type: ignore[arg-type]
        finally:
            wal_mark.sweep(target, prefix=SLOTS, keep=())
            server.execute(f"DROP OWNED BY {quoted}, {OTHER}", f"DROP ROLE {quoted}, {OTHER}", database=target.database)


def _install(target: Target, application: Application, major: int) -> None:
    with connect(target, read_only=False) as connection:
        for _ in range(2):  # what is made anew takes its triggers along
            witness.run(connection, witness.plan(witness.read(connection, application), application, major=major))
        found = witness.read(connection, application)
        assert found.is_complete, found
        assert witness.plan(found, application, major=major) == ()


TRAFFIC: Mapping[str, tuple[str, ...]] = {
    "update": ("UPDATE part SET v = v + 1 WHERE id < 5",),
    "insert": ("INSERT INTO part VALUES (3001, 1, 'n')",),
    "upsert": ("INSERT INTO part VALUES (1, 9, 'u'), (3002, 1, 'n') ON CONFLICT (id) DO UPDATE SET v = 9",),
    "insert where rows may only come": ("INSERT INTO entry (v) SELECT n FROM generate_series(1, 5000) AS n",),
    "into a partition by its parent": ('INSERT INTO "a""b; " VALUES (7, 7), (107, 7)',),
    "into a partition by its name": ("UPDATE low SET v = 3 WHERE id = 4",),
    "subtransactions": (
        (
            "BEGIN; SAVEPOINT a; UPDATE part SET v = 70 WHERE id = 70; ROLLBACK TO a; SAVEPOINT b; "
            "UPDATE part SET v = 71 WHERE id = 71; RELEASE b; COMMIT"
        ),
    ),
    "witnessed only in a subtransaction": (
        (
            "BEGIN; SELECT txid_current(); SAVEPOINT a; INSERT INTO part VALUES (3003, 1, 'n'); RELEASE a; "
            "SAVEPOINT c; UPDATE low SET v = 4 WHERE id = 5; RELEASE c; COMMIT"
        ),
    ),
    "many subtransactions": (
        (
            "DO $$ BEGIN FOR n IN 100..300 LOOP BEGIN UPDATE part SET v = n WHERE id = n; IF n % 2 = 0 THEN "
            "RAISE 'no'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$"
        ),
    ),
    "rolled back": ("BEGIN; UPDATE part SET v = 5; ROLLBACK", "UPDATE part SET v = 72 WHERE id = 72"),
    "temporary tables": ("CREATE TEMP TABLE mine (id serial, v int DEFAULT 7); INSERT INTO mine (v) VALUES (1)",),
    "prepared": ("BEGIN; UPDATE part SET v = 73 WHERE id = 73; PREPARE TRANSACTION 'p'", "COMMIT PREPARED 'p'"),
}


@pytest.mark.parametrize("server", outer(MAJORS), indirect=True)
def test_what_the_application_does_passes(stage: Stage) -> None:
    for statements in TRAFFIC.values():
        stage.app(*statements)
    with psycopg.connect(stage._of(APP).conninfo()) as one, one.cursor().copy("COPY part FROM STDIN") as copy:
        copy.write("3010\t1\tcopied\n")
    stage.admin(
        "VACUUM (FREEZE) part", "ANALYZE", "CHECKPOINT", "BEGIN; DELETE FROM part; ROLLBACK", "REINDEX TABLE part"
    )
    answers = [stage.look(reader) for reader in stage.readers]
    for comparison, who in answers:
        assert comparison.verdict == "allowed", (comparison.reasons, who)
        assert who.unknown is None and who.definitions == ()
    assert len({tuple(sorted((t.name, str(w)) for t, w in who.tables.items())) for _, who in answers}) == 1
    said = " ".join(answers[0][0].reasons)
    assert "by the application" in said and "it may grow" in said and "it may insert and update" in said


STRANGE: Mapping[str, tuple[str, str, str]] = {
    "another role with the same rights": (
        OTHER,
        "UPDATE part SET v = 80 WHERE id = 80",
        "role live_other from 127.0.0.1",
    ),
    "a forged message": (
        OTHER,
        (
            "BEGIN; SELECT pg_logical_emit_message(true, 'ringfence by', '{\"role\": \"app\"}'); "
            "UPDATE part SET v = 81 WHERE id = 81; COMMIT"
        ),
        "not the application's",
    ),
    "in a subtransaction": (
        OTHER,
        "BEGIN; SAVEPOINT a; UPDATE part SET v = 82 WHERE id = 82; RELEASE a; COMMIT",
        "1 updated",
    ),
    "the administrator": ("postgres", "UPDATE part SET v = 83 WHERE id = 83", "role postgres"),
    "who becomes the application": (
        "postgres",
        'SET ROLE "live \'app%s"; UPDATE part SET v = 84 WHERE id = 84',
        "role postgres",
    ),
    "as a replica": (
        "postgres",
        "SET session_replication_role = replica; UPDATE part SET v = 85 WHERE id = 85",
        "role postgres",
    ),
    "with the trigger off and on again": (
        "postgres",
        (
            "ALTER TABLE part DISABLE TRIGGER ALL ;; UPDATE part SET v = 86 WHERE id = 86 ;; "
            "ALTER TABLE part ENABLE TRIGGER ALL ;; ALTER TABLE part ENABLE ALWAYS TRIGGER zz_ringfence_live"
        ),
        "pg_trigger was written to",
    ),
    "by COPY": ("postgres", "COPY part FROM PROGRAM 'printf ''4001\\t1\\tx\\n'''", "1 inserted"),
    "all of it": ("postgres", "TRUNCATE part", "its file was replaced"),
    "rewritten, with a row less": (
        "postgres",
        "DELETE FROM part WHERE id = 87 ;; VACUUM FULL part",
        "its file was replaced",
    ),
    "a rule for a while": (
        "postgres",
        "CREATE RULE r AS ON UPDATE TO low DO ALSO UPDATE part SET v = 9 WHERE id = 9 ;; DROP RULE r ON low",
        "pg_rewrite was written to",
    ),
    "where rows may only come": (OTHER, "INSERT INTO entry (v) VALUES (1)", "not the application's"),
    "a table of somebody else": (
        "postgres",
        "CREATE TABLE planted (id int) ;; INSERT INTO planted VALUES (1)",
        "created",
    ),
    "what is not in the WAL": ("postgres", "INSERT INTO cache VALUES (1)", "unlogged"),
}


def _strange() -> list[Any]:
    """Every case on the newest server; on the others only those that read the WAL in another way."""
    again = {"another role with the same rights", "in a subtransaction", "a forged message"}
    return [
        pytest.param(major, name, marks=[pytest.mark.long] if major != MAJORS[0] and name not in again else [])
        for major in MAJORS
        for name in STRANGE
    ]


@pytest.mark.parametrize(("server", "name"), _strange(), indirect=["server"])
def test_what_others_do_does_not_pass(stage: Stage, name: str) -> None:
    role, script, said = STRANGE[name]
    stage.app("UPDATE part SET v = v + 1 WHERE id = 1")
    stage.as_role(role, *script.split(" ;; "))
    stage.app("UPDATE part SET v = v + 1 WHERE id = 2 OR id = 1999")
    try:
        for reader in stage.readers:
            comparison, _ = stage.look(reader)
            assert comparison.verdict in ("changed", "unknown"), comparison.reasons
            assert said in " ".join(comparison.reasons), comparison.reasons
    finally:
        stage.admin("DROP TABLE IF EXISTS planted")


def test_another_name_for_the_session_is_no_disguise(stage: Stage) -> None:
    """From 16 on the session says as whom it was authenticated; before, docs/security.md names it as a limit."""
    if stage.server.major < 16:
        pytest.skip("PostgreSQL 16 is the first that knows as whom a session was authenticated")
    stage.as_role("postgres", 'SET SESSION AUTHORIZATION "live \'app%s"; UPDATE part SET v = 90 WHERE id = 90')
    assert stage.look()[0].verdict == "changed"


def test_the_application_from_elsewhere_is_a_stranger(stage: Stage) -> None:
    stage.application = Application(role=APP, clients=("10.1.2.0/24", "local"))
    try:
        assert "not the one for this role" in " ".join(stage.look()[1].unknown or "" for _ in "1")
        _install(stage.target, stage.application, stage.server.major)
        stage.again()
        stage.app("UPDATE part SET v = 91 WHERE id = 91")
        comparison, _ = stage.look()
        assert comparison.verdict == "changed" and "127.0.0.1" in comparison.reasons[0], comparison.reasons
    finally:
        stage.application = Application(role=APP, clients=("127.0.0.0/8",))
        _install(stage.target, stage.application, stage.server.major)


def test_what_the_application_may_not_do(stage: Stage) -> None:
    """A row that went, by a function with other rights; an update where rows may only come."""
    stage.app("SELECT forget(92)", "UPDATE entry SET v = 0 WHERE id = 3")
    part, entry = (TableName(schema="public", name=n) for n in ("part", "entry"))
    changes = {
        part: RowChanges(inserted=0, updated=0, deleted=1),
        entry: RowChanges(inserted=0, updated=1, deleted=0),
    }
    comparison, _ = stage.look(changes=changes)
    verdicts = {t.table.name: t.verdict for t in comparison.tables if t.verdict != "unchanged"}
    assert verdicts == {"part": "changed", "entry": "changed"}, comparison.reasons


@pytest.mark.parametrize("seed", some(range(6), keep=1))
@pytest.mark.parametrize("server", outer(MAJORS), indirect=True)
def test_random_transactions_are_put_down_to_whom_they_are_of(stage: Stage, seed: int) -> None:
    """Two roles in turn, in every shape a transaction has; each source names exactly the strangers that committed."""
    dice = random.Random(f"{seed} {stage.server.major}")
    expected: set[int] = set()
    rows = 0
    with (
        psycopg.connect(stage._of(APP).conninfo(), autocommit=True) as app,
        psycopg.connect(stage._of(OTHER).conninfo(), autocommit=True) as other,
    ):
        for number in range(80):
            connection = dice.choice((app, other))
            connection.execute("BEGIN")
            row = connection.execute("SELECT txid_current()").fetchone()
            assert row is not None
            depth, kept = 0, [0]
            for _ in range(dice.randint(1, 6)):
                act = dice.choice(("write", "write", "nothing", "savepoint", "release", "undo"))
                if act == "write":
                    low = dice.randint(1, 1900)
                    text = f"UPDATE part SET v = v + 1 WHERE id BETWEEN {low} AND {low + 3}"
                    kept[-1] += connection.execute(text.encode()).rowcount
                elif act == "nothing":
                    connection.execute("UPDATE part SET v = 0 WHERE id = -1")
                elif act == "savepoint":
                    connection.execute(f"SAVEPOINT s{depth}".encode())
                    depth, kept = depth + 1, [*kept, 0]
                elif depth:
                    depth, last = depth - 1, kept.pop()
                    if act == "release":
                        kept[-1] += last
                        connection.execute(f"RELEASE s{depth}".encode())
                    else:
                        connection.execute(f"ROLLBACK TO s{depth}; RELEASE s{depth}".encode())
            end = dice.choice(("COMMIT", "COMMIT", "ROLLBACK", "prepared"))
            if end == "prepared":
                connection.execute(f"PREPARE TRANSACTION 'r{number}'".encode())
                end = dice.choice(("COMMIT PREPARED", "ROLLBACK PREPARED")) + f" 'r{number}'"
            connection.execute(end.encode())
            if end.startswith("COMMIT") and sum(kept):
                rows += sum(kept)
                expected |= {row[0]} if connection is other else set()
            if number == 40:
                stage.admin("CHECKPOINT", "VACUUM part")
    for reader in stage.readers:
        _, who = stage.look(reader)
        written = who.of(TableName(schema="public", name="part"))
        assert {s.xid for s in written.strangers} == expected, (reader.name, who)
        told = written.application.get("update", 0) + sum(s.operations.get("update", 0) for s in written.strangers)
        assert told == rows, reader.name


def test_sessions_that_share_a_row_of_the_witness(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """All at the same time on one row: none waits for another, and each is told apart."""

    def work(number: int) -> None:
        with psycopg.connect(stage._of(APP).conninfo()) as connection:
            for row in range(number * 100 + 1, number * 100 + 21):
                update = f"UPDATE part SET v = v + 1 WHERE id = {row}".encode()
                connection.execute(b"SAVEPOINT a; " + update + b"; ROLLBACK TO a")
                connection.execute(update)
                connection.commit()

    try:
        with monkeypatch.context() as one_row, ThreadPoolExecutor(max_workers=5) as pool:
            one_row.setattr(witness, "SLOTS", 1)
            _install(stage.target, stage.application, stage.server.major)
            stage.again()
            running = [pool.submit(work, number) for number in range(5)]
            stage.as_role(OTHER, "UPDATE part SET v = 1000 WHERE id = 1999")
            for one in running:
                one.result()
            for reader in stage.readers:
                written = stage.look(reader)[1].of(TableName(schema="public", name="part"))
                assert (written.application, written.transactions) == ({"update": 100}, 100)
                assert [s.operations for s in written.strangers] == [{"update": 1}]
    finally:
        _install(stage.target, stage.application, stage.server.major)


def test_a_line_that_looks_like_a_record_is_not_believed(stage: Stage) -> None:
    """A message may hold line breaks: what pg_waldump prints of it then looks like the witness's lock."""
    reader = stage.readers[0]
    if not isinstance(reader, WalDump):
        pytest.skip("this server has no pg_waldump")
    with observe.open_snapshot(stage.target) as snapshot:
        file = next(t.filenode for t in snapshot.tables if t.name == witness.WITNESS)
        oid = snapshot.identity.database_oid
    with psycopg.connect(stage._of(OTHER).conninfo()) as other:
        row = other.execute("SELECT txid_current(), pg_current_wal_insert_lsn()").fetchone()
        assert row is not None
        fake = (
            f"x\nrmgr: Heap        len (rec/tot):     54/    54, tx: {row[0]}, lsn: F/00000028, prev {row[1]}, "
            f"desc: LOCK xmax: {row[0]}, off: 1, blkref #0: rel 1663/{oid}/{file} blk 0\n"
        )
        other.execute("UPDATE part SET v = 93 WHERE id = 93")
        other.execute("SELECT pg_logical_emit_message(true, %s, '')", (fake,))
    comparison, who = stage.look(reader)
    assert comparison.verdict in ("changed", "unknown"), comparison.reasons
    assert who.unknown is not None and "imitates a record" in who.unknown


def test_nobody_but_the_owner_can_be_a_witness(stage: Stage) -> None:
    for statement in (
        "SELECT 1 FROM ringfence_live.witness FOR KEY SHARE",
        "SELECT ringfence_live.attest()",
        (
            "CREATE TEMP TABLE t (i int); CREATE TRIGGER t AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION "
            "ringfence_live.attest()"
        ),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            stage.as_role(OTHER, statement)
    stage.admin(f"GRANT SELECT ON ringfence_live.witness TO {OTHER}")
    try:
        assert "has rights on the witness" in (stage.look()[1].unknown or "")
    finally:
        _install(stage.target, stage.application, stage.server.major)
