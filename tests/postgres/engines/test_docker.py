"""Containers: made, adopted, refused; what is lost and what stays. Everything on a real Docker engine."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.dockerd import DockerForTests
from tests.postgres.engines.conftest import Place
from tests.postgres.engines.containers import Containers, containers

from ringfence.engines import ports
from ringfence.engines.compose import DATA_MOUNT
from ringfence.engines.docker import DockerEngine
from ringfence.errors import EngineError, IdentityError
from ringfence.postgres.connection import connect
from ringfence.postgres.target import read_passfile


@pytest.fixture
def made(place: Place, docker: DockerForTests) -> Iterator[Containers]:
    with containers(place, docker) as found:
        yield found


def remembered(engine: DockerEngine) -> set[str]:
    return {entry.user for entry in read_passfile(engine.passfile)}


def yes(question: str) -> bool:
    return True


def put_something(engine: DockerEngine) -> None:
    with connect(engine.target(), read_only=False) as connection:
        connection.execute("CREATE TABLE public.kept (x int)")


def has_something(engine: DockerEngine) -> bool:
    with connect(engine.target()) as connection:
        return connection.execute("SELECT to_regclass('public.kept')").fetchone() == ("public.kept",)


def login(engine: DockerEngine, user: str, password: str) -> None:
    target = engine.target()
    psycopg.connect(
        host=target.host, port=target.port, user=user, password=password, dbname="postgres", passfile="/dev/null"
    ).close()


def published(engine: DockerEngine, host: str = "127.0.0.1") -> tuple[str, str]:
    return ("-p", f"{host}:{engine.port}:5432")


def own_network(made: Containers) -> tuple[str, str]:
    made.docker.run("network", "create", f"{made.project}-mine", check=False)
    return ("--network", f"{made.project}-mine")


def test_what_up_makes_and_what_down_leaves(made: Containers) -> None:
    """Volume, network, container; the password in its description worth nothing; data survive down and docker rm."""
    engine = made.engine("production")
    started = engine.start()
    assert started.created and started.started
    assert started.notes[0].endswith(f"with the new volume {engine.volume}")
    written = (engine.root / "compose.production.yaml").read_text()
    env_file = engine.passfile.with_name("docker-production.env")
    initial = env_file.read_text().strip().partition("=")[2]
    assert env_file.stat().st_mode & 0o777 == 0o600
    for entry in read_passfile(engine.passfile):
        assert entry.password not in written + made.docker.run("inspect", engine.container).stdout
    assert initial not in written
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        login(engine, "postgres", initial)
    put_something(engine)

    assert engine.stop()
    assert made.docker.lines("ps", "-aq", "--filter", f"name={engine.container}"), "down removes nothing"
    made.docker.run("rm", engine.container)
    assert engine.volume in made.docker.lines("volume", "ls", "-q")
    again = engine.start()
    assert again.created and again.notes[0].endswith(f"with the existing volume {engine.volume}")
    assert has_something(engine)


def test_a_container_that_somebody_made_is_adopted(made: Containers) -> None:
    """Its superuser is postgres, whose password nobody told; the tool makes its own role and touches nothing else."""
    engine = made.engine("production", volume="", superuser='the "admin" of it')
    engine = dataclasses.replace(engine, volume=f"{made.project}_of_old")
    made.by_hand(engine, *published(engine), *own_network(made), "-v", f"{engine.volume}:/var/lib/postgresql/data")
    asked: list[str] = []
    with pytest.raises(IdentityError, match=r"was there before; role .* is to be made in it, and nobody agreed"):
        engine.start()
    started = engine.start(lambda question: not asked.append(question))
    assert len(asked) == 1
    assert (started.created, started.started) == (False, False)
    assert started.notes == ('made role the "admin" of it, a superuser',)
    login(engine, "postgres", "the owner's")
    assert remembered(engine) == {'the "admin" of it'}
    assert engine.start().notes == ()
    status = engine.status()
    assert (status.state, status.volume) == ("running", engine.volume)
    assert not (engine.root / "compose.production.yaml").exists(), "it is the owner's way to make it, not ours"


def test_its_superuser_may_be_the_admin_role(made: Containers) -> None:
    """Then the password it was made with is taken, if it holds; a changed one is asked for, nothing is altered."""
    engine = made.engine("production", superuser="postgres")
    made.by_hand(engine, *published(engine), *own_network(made), "-v", f"{engine.volume}:/var/lib/postgresql/data")
    assert engine.start().notes == (
        f"took the password of postgres from the environment of container {engine.container}",
    )
    with connect(engine.target(), read_only=False) as connection:
        connection.execute("ALTER ROLE postgres PASSWORD 'changed since'")
    engine.passfile.unlink()
    with pytest.raises(EngineError, match="password") as caught:
        engine.start()
    assert f"127.0.0.1:{engine.port}:*:postgres:PASSWORD" in str(caught.value.hint)
    assert remembered(engine) == set(), "a password that does not hold is not kept"
    login(engine, "postgres", "changed since")


def test_the_test_role_gets_a_new_password_when_it_was_lost(made: Containers) -> None:
    engine = made.engine("test")
    engine.start()
    engine.passfile.unlink()
    assert engine.start().notes == ("gave a new password to role shop_test, a superuser",)


def test_containers_that_cannot_be_adopted(made: Containers, tmp_path: Path) -> None:
    """Each with its reason, and untouched."""
    other_volume = made.engine("production")
    made.by_hand(
        other_volume, *published(other_volume), *own_network(made), "-v", f"{made.project}_x:{DATA_MOUNT}/data"
    )
    with pytest.raises(IdentityError, match=f"keeps its data in volume {made.project}_x, not in {other_volume.volume}"):
        other_volume.start(yes)

    in_itself = dataclasses.replace(other_volume, container=f"{made.project}-itself", port=ports.free_port())
    made.by_hand(in_itself, *published(in_itself), *own_network(made), "-e", "PGDATA=/var/lib/elsewhere")
    with pytest.raises(EngineError, match="keeps its data in itself"):
        in_itself.start(yes)

    unpublished = dataclasses.replace(other_volume, container=f"{made.project}-unpublished", port=ports.free_port())
    made.by_hand(unpublished, *own_network(made), "-v", f"{unpublished.volume}:/var/lib/postgresql/data")
    with pytest.raises(EngineError, match=f"publishes nothing, not port {unpublished.port}"):
        unpublished.start()
    assert "publishes nothing" in (unpublished.status().note or "")

    dead = dataclasses.replace(other_volume, container=f"{made.project}-dead", port=ports.free_port())
    made.docker.run("create", "--name", dead.container, *published(dead), *own_network(made), dead.image)
    with pytest.raises(EngineError, match=r"is exited; its log ends: .*POSTGRES_PASSWORD"):
        dead.start()

    paused = dataclasses.replace(unpublished)
    made.docker.run("pause", paused.container)
    with pytest.raises(EngineError, match="paused"):
        paused.start()
    assert paused.status().note == "the container is paused"


def test_a_bind_mount_and_an_open_port_are_adopted_and_told(made: Containers, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    engine = made.engine("production")
    made.by_hand(
        engine, *published(engine, "0.0.0.0"), *own_network(made), "-v", f"{directory}:/var/lib/postgresql/data"
    )
    engine.start(yes)
    assert "which other machines may reach" in (engine.status().note or "")
    evidence = engine.evidence()
    assert (evidence.listens[0].host, evidence.listens[0].port) == ("0.0.0.0", engine.port)
    (storage,) = evidence.storage
    assert (storage.path, storage.volume, storage.inode) == (str(directory), None, directory.stat().st_ino)


def test_evidence_shows_who_shares_a_volume_or_a_network(made: Containers) -> None:
    engine = made.engine("test")
    engine.start()
    words = ("--network", engine.service.network, "-v", f"{engine.volume}:/stolen:ro", "--entrypoint", "sleep")
    made.docker.run("run", "-d", "--name", f"{made.project}-guest", *words, engine.image, "600")
    evidence = engine.evidence()
    both = (engine.container, f"{made.project}-guest")
    assert evidence.storage[0].used_by == both
    assert evidence.container is not None
    assert evidence.container.networks[0].members == both
    assert (evidence.container.privileged, evidence.container.pid_mode) == (False, "")


def test_a_volume_that_another_container_has_is_not_taken(made: Containers) -> None:
    engine = made.engine("production")
    made.by_hand(engine, *own_network(made), "-v", f"{engine.volume}:/var/lib/postgresql/data")
    with pytest.raises(EngineError, match=f"volume {engine.volume} is mounted by container {engine.container}"):
        dataclasses.replace(engine, container=f"{made.project}-second").start()


def test_a_compose_file_that_was_changed_is_never_run(made: Containers) -> None:
    """An agent can write it; what it asks for (here the production volume) is not what the settings ask for."""
    engine = made.engine("test")
    path = engine.root / "compose.test.yaml"
    path.write_text("services: {db: {privileged: true}}\n")
    with pytest.raises(EngineError, match=r"compose\.test\.yaml is not what ringfence\.toml leads to"):
        engine.start()
    assert made.docker.lines("ps", "-aq", "--filter", f"name={made.project}") == []
    path.unlink()
    engine.start()
    assert "127.0.0.1" in path.read_text()


@pytest.mark.parametrize("what", ["port", "image", "engine", "remote", "no program"])
def test_what_is_in_the_way(made: Containers, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """In words, with what to do; nothing is left behind that would stop the next attempt."""
    engine = made.engine("test")
    holding: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    if what == "port":
        holding = listening = socket.socket()
        listening.bind(("127.0.0.1", engine.port))
        listening.listen()
        words, hint = f"port {engine.port} of test is in use", "another db_port"
    elif what == "image":
        engine = dataclasses.replace(engine, image="localhost:1/no/such:image")
        words, hint = "docker ended with exit status 125", "image"
    elif what == "engine":
        engine = dataclasses.replace(engine, environ={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
        words, hint = "Cannot connect to the Docker daemon", "start the Docker engine"
    elif what == "remote":
        engine = dataclasses.replace(engine, environ={"DOCKER_HOST": "tcp://192.0.2.1:2376"})
        words, hint = "not on this machine", "unset DOCKER_HOST"
    else:
        monkeypatch.setattr("shutil.which", lambda *_, **__: None)
        words, hint = "there is no docker program", "docker.io"
    with holding, pytest.raises(EngineError, match=words) as caught:
        engine.start()
    assert hint in str(caught.value.hint)
    if what in ("engine", "no program"):
        assert engine.status().state == "unreachable"
    elif what != "remote":
        assert engine.status().state == "absent"
