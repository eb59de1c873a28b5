"""The contained test server: its superuser may do everything inside, and finds nothing outside."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.postgres.engines.conftest import Place, copied, kill, postmaster

from ringfence.engines.embedded import EmbeddedEngine
from ringfence.postgres.connection import connect
from ringfence.sandbox import bubblewrap, landlock
from ringfence.sandbox.server import BUBBLEWRAP, LANDLOCK, ServerSandbox

pytestmark = pytest.mark.skipif(
    landlock.abi() < landlock.SCOPE_ABI, reason="no containment: this kernel's Landlock cannot keep signals in"
)


@pytest.fixture(params=[BUBBLEWRAP, LANDLOCK])
def contained(
    request: pytest.FixtureRequest, place: Place, pristine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmbeddedEngine]:
    """A test server that was started contained, in each way there is."""
    if request.param == BUBBLEWRAP and bubblewrap.find() is None:
        pytest.skip("no sandbox: bubblewrap is not installed")
    if request.param == LANDLOCK:
        monkeypatch.setattr("ringfence.sandbox.bubblewrap.find", lambda: None)
    engine = replace(copied(pristine, place.engine("test")), containment=ServerSandbox())
    assert engine.start().notes == ()
    assert engine.evidence().contained_by == request.param
    yield engine
    engine.stop()


def program(connection: Any, script: str) -> list[str]:
    """What a program that the server starts prints."""
    connection.execute("CREATE TEMPORARY TABLE IF NOT EXISTS said (line text)")
    connection.execute("TRUNCATE said")
    line = f"sh -c {shlex.quote(script + ' 2>&1; true')}"
    connection.execute(
        sql.SQL("COPY said FROM PROGRAM {} (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02')").format(line)
    )
    return [row[0] or "" for row in connection.execute("SELECT line FROM said").fetchall()]


def test_its_superuser_finds_nothing_of_production(contained: EmbeddedEngine, place: Place) -> None:
    secret = place.path / "secret"
    secret.write_text("production's password\n")
    secret.chmod(0o644)
    tool = subprocess.Popen(["/bin/sleep", "100"])
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(place.path / "docker.sock"))
    os.chmod(place.path / "docker.sock", 0o777)
    unix.listen(1)
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as production,
            connect(contained.target(), read_only=False) as connection,
        ):
            port = production.getsockname()[1]
            assert "password" not in " ".join(program(connection, f"cat {secret} {contained.passfile}"))
            assert not any("secret" in line.split("/") for line in program(connection, f"ls {place.path}"))
            tried = program(connection, f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && echo open'")
            assert "open" not in tried and any("Permission denied" in line for line in tried), tried
            said = program(connection, f"kill -0 {tool.pid} && echo allowed; ls /proc/{tool.pid}; cat /proc/1/cmdline")
            assert "allowed" not in said and len(said) <= 4
            script = (
                f"import socket; socket.socket(socket.AF_UNIX).connect({str(place.path / 'docker.sock')!r}); print(1)"
            )
            assert program(connection, f"python3 -c {shlex.quote(script)}")[-1] != "1"
            with pytest.raises(psycopg.Error):
                connection.execute(sql.SQL("SELECT pg_catalog.pg_read_file({})").format(sql.Literal(str(secret))))
            conninfo = f"host=127.0.0.1 port={port} connect_timeout=2"
            with pytest.raises(psycopg.OperationalError, match="Permission denied"):
                connection.execute(
                    sql.SQL("CREATE SUBSCRIPTION s CONNECTION {} PUBLICATION p").format(sql.Literal(conninfo))
                )
    finally:
        tool.kill()
        tool.wait()
        unix.close()


def test_its_superuser_keeps_every_right_inside(contained: EmbeddedEngine) -> None:
    with connect(contained.target(), read_only=False) as connection:
        connection.execute("SET search_path = public")
        connection.execute("CREATE DATABASE more TEMPLATE template0")
        connection.execute("CREATE ROLE somebody SUPERUSER LOGIN")
        connection.execute("CREATE TABLE numbers AS SELECT g FROM generate_series(1, 200000) AS g")
        connection.execute("SET max_parallel_workers_per_gather = 2")
        connection.execute("SET min_parallel_table_scan_size = 0")
        connection.execute("SET parallel_setup_cost = 0")
        plan = connection.execute("EXPLAIN (ANALYZE) SELECT count(*) FROM numbers WHERE g % 7 = 0").fetchall()
        assert any("Workers Launched: 2" in row[0] for row in plan)
        connection.execute("COPY numbers TO '/dev/null'")
        connection.execute(sql.SQL("COPY numbers TO {}").format(sql.Literal(str(contained.data.resolve() / "out.txt"))))
        connection.execute("ALTER SYSTEM SET work_mem = '9MB'")
        assert connection.execute("SELECT pg_catalog.pg_reload_conf()").fetchone() == (True,)
        assert program(connection, "echo it runs; id -u")[0] == "it runs"
        connection.execute("CHECKPOINT")
        connection.execute("VACUUM FULL numbers")
        connection.execute("DROP DATABASE more WITH (FORCE)")


def test_it_is_stopped_started_and_recovered_like_any_other(contained: EmbeddedEngine) -> None:
    with connect(contained.target(), read_only=False) as connection:
        connection.execute("SET synchronous_commit = on")  # test servers may lose the last commits
        connection.execute("CREATE TABLE public.kept (id int)")
    assert contained.status().state == "running" and contained.start().started is False
    assert kill(contained) is not None
    started = contained.start()
    assert started.started and any("recovered" in note for note in started.notes)
    with connect(contained.target()) as connection:
        connection.execute("SELECT * FROM public.kept")
    assert contained.stop() and postmaster(contained) is None
    assert contained.evidence().contained_by is None


def test_one_that_runs_uncontained_is_taken_in_only_when_nobody_uses_it(place: Place, pristine: EmbeddedEngine) -> None:
    before = copied(pristine, place.engine("test"))
    before.start()
    engine = replace(before, containment=ServerSandbox())
    place.engines.append(engine)
    assert engine.evidence().contained_by is None
    with connect(engine.target()) as connection:
        connection.execute("SELECT 1")
        busy = engine.start()
        assert not busy.started and "1 session uses it" in busy.notes[0]
        connection.execute("SELECT 1")
    taken = engine.start()
    assert taken.started and "was restarted" in taken.notes[0]
    assert engine.evidence().contained_by is not None
    assert engine.start().notes == ()


def test_where_nothing_contains_it_that_is_said(
    place: Place, pristine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ServerSandbox, "line", lambda self, **_: "no Landlock on this kernel")
    engine = replace(copied(pristine, place.engine("test")), containment=ServerSandbox())
    place.engines.append(engine)
    started = engine.start()
    assert started.started and "NOT CONTAINED" in started.notes[0] and "no Landlock" in started.notes[0]
