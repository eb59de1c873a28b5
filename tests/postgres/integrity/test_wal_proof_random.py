"""Work at random between a baseline and a look: the proof by WAL says what the whole fingerprint says, always.

The rows alone are compared, as if the catalog were the same, so that the fallback for a changed schema hides nothing.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import psycopg
import pytest
from tests.postgres.conftest import Server

from ringfence.integrity import observe, since, wal_mark, wal_proof
from ringfence.integrity.attribution import Written
from ringfence.integrity.fingerprint import Load
from ringfence.integrity.model import Observation, TableDigest
from ringfence.integrity.touched import Touched, WalError, WalReader, WalSpan
from ringfence.integrity.waldump import WalDump
from ringfence.integrity.walinspect import WalInspect
from ringfence.postgres.target import Target

pytestmark = pytest.mark.postgres

SLOTS = wal_mark.slot_prefix("random work")
TABLES = ("narrow", "wide", "north", "south", "child")
SCHEMA = """
CREATE TABLE narrow (id int, v int) WITH (fillfactor = 70);
CREATE INDEX narrow_id ON narrow (id);
CREATE TABLE wide (id int, v int, body text, data jsonb);
ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;
CREATE INDEX wide_v ON wide (v);
CREATE TABLE region (id int, v int, body text) PARTITION BY HASH (id);
CREATE TABLE north PARTITION OF region FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE south PARTITION OF region FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE child (extra text) INHERITS (narrow);
INSERT INTO narrow SELECT n, n FROM generate_series(1, 20000) AS n;
INSERT INTO wide SELECT n, n, repeat(md5(n::text), 100), '{}' FROM generate_series(1, 300) AS n;
INSERT INTO region SELECT n, n, 'r' FROM generate_series(1, 6000) AS n;
INSERT INTO child SELECT n, n, 'c' FROM generate_series(1, 3000) AS n
"""


@dataclass(kw_only=True)
class Work:
    """One database under work, with sessions that stay open across looks."""

    server: Server
    target: Target
    chance: random.Random
    said: list[str] = field(default_factory=list)
    open: list[psycopg.Connection[tuple[object, ...]]] = field(default_factory=list)

    def run(self, *statements: str) -> None:
        self.said += statements
        with psycopg.connect(self.target.conninfo(), autocommit=True) as connection:
            connection.execute("SET lock_timeout = '200ms'")
            for statement in statements:
                # Somebody's open transaction may hold what this wants: then it does not happen.
                with contextlib.suppress(psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable):
                    connection.execute(statement.encode())

    def change(self) -> str:
        """A statement that may change rows."""
        chance = self.chance
        table, n, k = chance.choice((*TABLES, "region")), chance.randrange(1, 20000), chance.randrange(1, 60)
        return chance.choice(
            (
                f"UPDATE {table} SET v = v + 1 WHERE id = {n % 3000}",
                f"UPDATE {table} SET v = v + 1 WHERE id BETWEEN {n % 3000} AND {n % 3000 + k}",
                f"UPDATE {table} SET v = v WHERE id BETWEEN {n % 3000} AND {n % 3000 + k}",
                f"DELETE FROM {table} WHERE id = {n % 3000}",
                f"DELETE FROM ONLY narrow WHERE id > {20000 - k}",
                f"INSERT INTO {table} (id, v) SELECT g, {k} FROM generate_series({n}, {n + k}) AS g",
                f"UPDATE wide SET body = repeat('{k}', 8000) WHERE id = {n % 300}",
                f"UPDATE wide SET body = body WHERE id = {n % 300}",
                f"UPDATE wide SET data = jsonb_build_object('k', repeat('{n}', 2000)) WHERE id = {n % 300}",
                f"UPDATE region SET id = id + 1 WHERE id = {n % 6000}",
            )
        )

    def disturb(self) -> None:
        """Something that changes no row, or all of them."""
        chance, table = self.chance, self.chance.choice(TABLES)
        column = "extra" if table == "child" else "body" if table in ("wide", "north", "south") else "v"
        choice: Callable[[], None] = chance.choice(
            (
                lambda: self.run(f"VACUUM {table}"),
                lambda: self.run(f"VACUUM (FREEZE) {table}"),
                lambda: self.run("ANALYZE"),
                lambda: self.run("CHECKPOINT"),
                lambda: self.run(f"VACUUM FULL {table}"),
                lambda: self.run(f"CREATE INDEX ON {table} (v)"),
                lambda: self.run(f"REINDEX TABLE {table}"),
                lambda: self.run(f"ALTER TABLE {table} ALTER {column} SET STATISTICS {chance.randrange(100)}"),
                lambda: self.run(f"TRUNCATE {table}", f"INSERT INTO {table} (id, v) VALUES (1, 1)"),
                lambda: self.run(f"BEGIN; TRUNCATE {table}; ROLLBACK"),
                lambda: self.run(f"DELETE FROM {table}", f"VACUUM {table}"),
                lambda: self.run("SELECT pg_switch_wal()"),
                lambda: self.run(f"SELECT count(*), sum(v) FROM {table}"),
                lambda: (
                    self.run("ALTER TABLE region DETACH PARTITION south")
                    if chance.random() < 0.5
                    else self.run("ALTER TABLE region ATTACH PARTITION south FOR VALUES WITH (MODULUS 2, REMAINDER 1)")
                ),
                self.leave_open,
                self.end_open,
            )
        )
        with contextlib.suppress(psycopg.errors.Error):
            choice()

    def transaction(self) -> None:
        """A few changes, with savepoints, committed or not, durably or not."""
        words = ["SET synchronous_commit = off"] if self.chance.random() < 0.3 else []
        words.append("BEGIN")
        for n in range(self.chance.randrange(1, 5)):
            words.append(f"SAVEPOINT s{n}")
            words.append(self.change())
            words.append(self.chance.choice((f"ROLLBACK TO s{n}", f"RELEASE s{n}", "SELECT 1")))
        words.append(self.chance.choice(("COMMIT", "COMMIT", "ROLLBACK")))
        with contextlib.suppress(psycopg.errors.Error):
            self.run("; ".join(words))

    def leave_open(self) -> None:
        connection = psycopg.connect(self.target.conninfo())
        self.open.append(connection)
        with contextlib.suppress(psycopg.errors.Error):
            connection.execute("SET lock_timeout = '200ms'")
            statement = self.change()
            self.said.append(f"open: {statement}")
            connection.execute(statement.encode())

    def end_open(self) -> None:
        if self.open:
            connection = self.open.pop(self.chance.randrange(len(self.open)))
            end = self.chance.choice((connection.commit, connection.commit, connection.rollback))
            self.said.append(f"end: {end.__name__}")
            with contextlib.suppress(psycopg.Error):
                end()
            connection.close()

    def close(self) -> None:
        while self.open:
            self.end_open()

    def crash(self) -> None:
        self.said.append("restart")
        mode = self.chance.choice(("immediate", "immediate", "fast"))
        self.server.control("stop", "-m", mode)
        self.server.control("-l", str(self.server.base / "server.log"), "start")
        for connection in self.open:
            connection.close()
        self.open.clear()

    def step(self) -> None:
        for _ in range(self.chance.randrange(1, 6)):
            self.chance.choice((self.transaction, self.transaction, self.disturb))()

    def take(self) -> Observation:
        with observe.open_marked_snapshot(self.target, slots=SLOTS) as snapshot:
            return observe.observe(snapshot, observe.new_seeds(), workers=1)

    def readers(self) -> list[WalReader]:
        found: list[WalReader] = []
        program = self.server.programs.path("pg_waldump")
        if program.exists():
            found.append(WalDump(program=program, directory=self.server.data / "pg_wal", run_as=self.server.account))
        with psycopg.connect(self.target.conninfo(), autocommit=True) as connection:
            query = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_walinspect'"
            if connection.execute(query).fetchone():
                connection.execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
                found.append(WalInspect(targets=[self.target]))
        return found

    def look(self, before: Observation, reader: WalReader | None) -> tuple[tuple[TableDigest, ...], str]:
        with observe.open_snapshot(self.target) as snapshot:
            found = since.rows_since(
                snapshot,
                before,
                before.state,
                readers=[reader] if reader else [],
                load=Load(workers=1),
                full=reader is None,
            )
        return found.tables, f"{found.proof}: {'; '.join(found.reasons)}"


class Unreadable:
    """A source that reads nothing, so that the pages are asked."""

    name = "nothing"

    def obstacle(self) -> str:
        return "it reads nothing"

    def read(self, span: WalSpan) -> Touched:
        raise WalError("it reads nothing")

    def written(self, span: WalSpan, *, witness: int) -> Mapping[int, Written]:
        raise WalError("it reads nothing")


def work_through(server: Server, *, seed: int, rounds: int, crashes: bool, by_pages: bool = False) -> dict[str, int]:
    """Rounds of baseline, work, look, work, look. Returns how often which proof was used."""
    proofs = {"wal": 0, "fingerprint": 0}
    with server.new_database(template="template1" if by_pages else "template0") as target:
        bound = "-1" if by_pages else "256MB"
        server.execute(f"ALTER SYSTEM SET max_slot_wal_keep_size = '{bound}'", "SELECT pg_reload_conf()")
        server.execute(*SCHEMA.split(";\n"), database=target.database)
        work = Work(server=server, target=target, chance=random.Random(seed))
        readers = [Unreadable()] if by_pages else work.readers()
        if not readers:
            pytest.skip("no source of touched blocks on this server")
        try:
            for _ in range(rounds):
                before = work.take()
                for _ in range(2):
                    work.said.clear()
                    work.step()
                    if crashes and work.chance.random() < 0.25:
                        work.crash()
                    # Nobody writes while the looks are compared with each other.
                    looks = {r.name: work.look(before, r) for r in readers}
                    whole, _ = work.look(before, None)
                    for name, (tables, how) in looks.items():
                        proofs[how.partition(":")[0]] += 1
                        assert tables == whole, (seed, name, how, work.said)
                wal_mark.sweep(target, prefix=SLOTS, keep=())
        finally:
            work.close()
            wal_mark.sweep(target, prefix=SLOTS, keep=())
    return proofs


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Open transactions are part of the work: baselines do not wait long for them."""
    monkeypatch.setattr(wal_mark, "SETTLE_S", 0.05)
    monkeypatch.setattr(wal_proof, "LEAST_WAL_BYTES", 64 << 20)  # the tables are small, and the WAL is what is tested
    yield


def test_random_work(servers: Mapping[int, Server], quick: None) -> None:
    """On one server here; on all of them among the long tests."""
    proofs = work_through(next(iter(servers.values())), seed=20261124, rounds=6, crashes=True)
    assert proofs["wal"] >= 3, proofs


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 9))
def test_much_random_work(server: Server, seed: int, quick: None) -> None:
    proofs = work_through(server, seed=seed, rounds=40, crashes=seed % 2 == 0)
    assert proofs["wal"] >= 20, proofs


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 5))
def test_much_random_work_by_pages(servers: Mapping[int, Server], seed: int, quick: None) -> None:
    """Where the WAL is neither kept nor read: the LSN of each page, and the slot that was made after the baseline."""
    for server in servers.values():
        try:
            server.execute("CREATE EXTENSION pageinspect", database="template1")
        except psycopg.errors.FeatureNotSupported:
            continue
        try:
            proofs = work_through(server, seed=seed, rounds=25, crashes=seed % 2 == 0, by_pages=True)
        finally:
            server.execute("DROP EXTENSION pageinspect", database="template1")
        assert proofs["wal"] >= 10, proofs
        return
    pytest.skip("no server here has pageinspect")
