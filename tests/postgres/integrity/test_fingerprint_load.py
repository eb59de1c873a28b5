"""How reading leaves the server alone: in ranges, gently, and at once when somebody presses Ctrl-C."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Mapping

import psycopg
import pytest
from tests.postgres.conftest import Server

from ringfence.integrity import fingerprint, observe
from ringfence.integrity.fingerprint import Load
from ringfence.integrity.model import Seeds

pytestmark = pytest.mark.postgres
SEEDS = Seeds(first=1, second=2)


def test_gentle_reading_finds_the_same_and_rests(servers: Mapping[int, Server]) -> None:
    server = next(iter(servers.values()))
    with server.new_database() as target:
        server.execute(
            "CREATE TABLE t AS SELECT n, repeat('x', 700) AS v FROM generate_series(1, 40000) AS n",
            database=target.database,
        )
        with observe.open_snapshot(target) as snapshot:
            tables = snapshot.tables
            assert tables[0].blocks > 3 * fingerprint.GENTLE_PIECE_BLOCKS
            pieces: list[int] = []
            times, found = [], []
            for load in (Load(workers=2), Load(workers=1, rest=4.0)):
                pieces.clear()
                started = time.monotonic()
                found.append(
                    fingerprint.digest_whole(
                        target,
                        tables,
                        SEEDS,
                        snapshot=snapshot.name,
                        load=load,
                        on_digest=lambda table, blocks, total: pieces.append(blocks),
                    )
                )
                times.append(time.monotonic() - started)
            assert found[0] == found[1]
            assert len(pieces) >= 4, "progress after every piece"
            assert times[1] > times[0]


def test_ctrl_c_ends_the_queries_in_the_server(servers: Mapping[int, Server]) -> None:
    server = next(iter(servers.values()))
    with server.new_database() as target:
        # Text made from a composite takes long.
        server.execute(
            "CREATE TYPE pair AS (a numeric, b text)",
            "CREATE TABLE t AS SELECT ROW(n, repeat('x', 3000))::pair AS v FROM generate_series(1, 60000) AS n",
            database=target.database,
        )
        with observe.open_snapshot(target) as snapshot, pytest.raises(KeyboardInterrupt):
            timer = threading.Timer(0.3, _thread.interrupt_main)
            timer.start()
            started = time.monotonic()
            for _ in range(50):
                fingerprint.digest_whole(target, snapshot.tables, SEEDS, snapshot=snapshot.name, load=Load(workers=2))
        assert time.monotonic() - started < 20
        with psycopg.connect(target.conninfo()) as connection:
            query = (
                "SELECT query FROM pg_stat_activity "
                "WHERE datname = %s AND pid <> pg_backend_pid() AND state <> 'idle' AND query <> 'COMMIT'"
            )
            left = connection.execute(query, (target.database,)).fetchall()
        assert left == []
