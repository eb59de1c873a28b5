"""The long matrices of the proof by WAL: every change to rows of the cases, and a hundred quiet runs without a HALT."""

from __future__ import annotations

import random
from collections.abc import Iterator

import psycopg
import pytest
from tests.cases.mutations import MUTATIONS, ROLES, SCHEMA
from tests.postgres.conftest import Server

from ringfence.integrity import observe, since, wal_mark, wal_proof
from ringfence.integrity.compare import compare, differing
from ringfence.integrity.fingerprint import Load
from ringfence.integrity.model import Comparison, Observation
from ringfence.integrity.waldump import WalDump
from ringfence.postgres.target import Target

pytestmark = [pytest.mark.postgres, pytest.mark.long]

SLOTS = wal_mark.slot_prefix("long tests of the proof by WAL")
OF_ROWS = [m for m in MUTATIONS if m.expect_kind == "rows"]
RUNS = 100
QUIET_WORK = (
    "VACUUM",
    "VACUUM (FREEZE)",
    "VACUUM (FULL) pairs",
    "ANALYZE",
    "CHECKPOINT",
    "REINDEX TABLE measured_north",
    'SELECT count(*), max(qty) FROM "Transaction"',
    "SELECT count(*) FROM pairs AS a, pairs AS b",
    "BEGIN; SELECT * FROM pairs FOR UPDATE; COMMIT",
    "BEGIN; UPDATE pairs SET v = v + 1; DELETE FROM vehicle; ROLLBACK",
    "BEGIN; SAVEPOINT s; INSERT INTO pairs SELECT n, 'n' FROM generate_series(1, 5000) AS n; ROLLBACK TO s; COMMIT",
    "BEGIN; TRUNCATE pairs; CREATE TABLE other (n int); INSERT INTO other VALUES (1); ROLLBACK",
    "BEGIN; INSERT INTO measured (region, v) VALUES ('north', 5); ROLLBACK",
    "BEGIN; DELETE FROM pairs WHERE v = 1; INSERT INTO pairs VALUES (1, 'x'), (1, 'x'); COMMIT",
    "CREATE TEMPORARY TABLE IF NOT EXISTS t AS SELECT n FROM generate_series(1, 1000) AS n",
    "COPY pairs TO STDOUT",
)


def run(target: Target, *statements: str) -> None:
    with psycopg.connect(target.conninfo(), autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        for statement in statements:
            if statement.startswith("COPY"):
                with connection.cursor().copy(statement.encode()) as copy:
                    list(copy)
                continue
            connection.execute(statement.replace("{database}", f'"{target.database}"').encode())


def take(target: Target) -> Observation:
    with observe.open_marked_snapshot(target, slots=SLOTS) as snapshot:
        return observe.observe(snapshot, observe.new_seeds(), workers=1)


def look(server: Server, target: Target, before: Observation, *, full: bool = False) -> tuple[Observation, Comparison]:
    reader = WalDump(
        program=server.programs.path("pg_waldump"), directory=server.data / "pg_wal", run_as=server.account
    )
    with observe.open_snapshot(target) as snapshot:
        found = since.observe_since(snapshot, before, readers=[reader], load=Load(workers=1), full=full)
    verdict = compare(before, found.observation, rules={}, changes={}, proof=found.proof, proof_reasons=found.reasons)
    return found.observation, verdict


@pytest.fixture
def sample(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    monkeypatch.setattr(wal_proof, "LEAST_WAL_BYTES", 64 << 20)  # the tables are small, and the WAL is what is tested
    if not server.programs.path("pg_waldump").exists():
        pytest.skip("no pg_waldump of this major")
    server.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '256MB'", "SELECT pg_reload_conf()", *ROLES)
    with server.new_database() as target:
        run(target, SCHEMA)
        yield target
        wal_mark.sweep(target, prefix=SLOTS, keep=())


def test_every_change_to_rows_is_found_by_the_wal(server: Server, sample: Target) -> None:
    """Each on a copy of the sample with a baseline of its own; the tables are those that the fingerprint names."""
    proofs = []
    for mutation in OF_ROWS:
        if server.major < mutation.since:
            continue
        with server.new_database(template=sample.database) as copy:
            run(copy, *mutation.setup)
            before = take(copy)
            run(copy, "SET search_path = public", *mutation.sql)
            after, verdict = look(server, copy, before)
            whole, _ = look(server, copy, before, full=True)
            wal_mark.sweep(copy, prefix=SLOTS, keep=())
            run(copy, *mutation.cleanup)
        assert after.tables == whole.tables, (mutation.id, verdict.proof_reasons)
        named = {t.name for t in differing(before, after)}
        assert any(mutation.expect_object.strip('"') in name for name in named), (mutation.id, named)
        proofs.append(verdict.proof)
    assert proofs.count("wal") > len(proofs) * 3 // 4, proofs


def test_a_hundred_quiet_runs_give_no_halt(server: Server, sample: Target) -> None:
    chance = random.Random(server.major)
    proofs = []
    for number in range(RUNS):
        if number % 5 == 0:
            before = take(sample)
        done = [chance.choice(QUIET_WORK) for _ in range(chance.randrange(1, 5))]
        run(sample, *done)
        _, verdict = look(server, sample, before)
        assert verdict.verdict in ("unchanged", "allowed"), (number, done, verdict.reasons)
        proofs.append(verdict.proof)
    assert proofs.count("wal") > RUNS * 3 // 4, proofs
