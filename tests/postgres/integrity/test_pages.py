"""Touched blocks by the LSN of each page, on a server whose WAL is not kept or cannot be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import psycopg
import pytest
from tests.postgres.conftest import Server
from tests.postgres.integrity.test_wal_proof import CHANGES, SCHEMA, SLOTS, Stage, take
from tests.postgres.integrity.test_wal_proof_random import Unreadable

from ringfence.integrity import wal_mark

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def stage(servers: Mapping[int, Server]) -> Iterator[Stage]:
    """A server with pageinspect that bounds no slot; nothing reads its WAL here."""
    for server in servers.values():
        with contextlib.ExitStack() as stack:
            target = stack.enter_context(server.new_database())
            try:
                server.execute("CREATE EXTENSION pageinspect", database=target.database)
            except psycopg.errors.FeatureNotSupported:
                continue
            server.execute("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")
            server.execute(*[s for s in SCHEMA.split(";\n") if s.strip()], database=target.database)
            server.execute("VACUUM (FREEZE, ANALYZE)", "CHECKPOINT", database=target.database)
            try:
                yield Stage(server=server, target=target, before=take(target))
            finally:
                wal_mark.sweep(target, prefix=SLOTS, keep=())
            return
    pytest.skip("no server here has pageinspect")


def again(stage: Stage) -> None:
    """A new baseline, and only its slot: a server has few."""
    wal_mark.sweep(stage.target, prefix=SLOTS, keep=())
    stage.again()


def pages_and_all(stage: Stage) -> tuple[set[str], str]:
    """What pages say differs, which must be what all rows say, and by which proof."""
    found, whole = stage.rows(Unreadable(), None)
    assert found.tables == whole.tables, found.reasons
    return stage.differing(found), f"{found.proof}: {found.reasons[0]}"


QUIET = ("VACUUM (FREEZE) part", "CHECKPOINT", "BEGIN; UPDATE part SET v = 0; ROLLBACK", "SELECT count(*) FROM part")


def test_every_kind_of_change_is_seen(stage: Stage) -> None:
    proofs = set()
    for name, (script, table) in CHANGES.items():
        again(stage)
        stage.run(*script.split(" ;; "))
        found, how = pages_and_all(stage)
        assert found == {table}, (name, how)
        proofs.add(how)
    assert sum(p.startswith("wal: pageinspect names") for p in proofs) >= 3, "\n".join(proofs)


def test_quiet_work_is_no_change(stage: Stage) -> None:
    again(stage)
    assert stage.before.mark is not None and stage.before.mark.late
    stage.run(*QUIET)
    found, how = pages_and_all(stage)
    assert found == set() and how.startswith("wal: pageinspect"), how


def test_where_the_slot_is_gone_pages_are_not_believed(stage: Stage) -> None:
    again(stage)
    wal_mark.sweep(stage.target, prefix=SLOTS, keep=())
    stage.run("UPDATE part SET v = v + 1 WHERE id = 3")
    found, how = pages_and_all(stage)
    assert found == {"part"} and how.startswith("fingerprint") and "no slot" in how


def test_an_older_copy_of_the_database_put_in_as_files(stage: Stage) -> None:
    """Its pages are older than the baseline; that the database is new is what gives it away."""
    oid, name = stage.before.identity.database_oid, stage.target.database
    strategy = "STRATEGY file_copy" if stage.server.major >= 15 else ""
    with stage.server.new_database(template=name) as copy:
        stage.run("UPDATE part SET v = v + 1 WHERE id = 4", "CHECKPOINT")
        again(stage)
        stage.server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        stage.server.execute(f"CREATE DATABASE {name} TEMPLATE {copy.database} {strategy} OID {oid}")
    found, how = pages_and_all(stage)
    assert found == {"part"} and "made anew" in how
