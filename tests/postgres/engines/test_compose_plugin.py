"""Docker's plugin compose, the real one: it makes what the plain client makes, and never removes production's data."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.dockerd import DockerForTests
from tests.postgres.engines.conftest import Place
from tests.postgres.engines.containers import Containers, containers

from ringfence.engines.docker import DockerEngine
from ringfence.errors import EngineError
from ringfence.postgres.connection import connect


@pytest.fixture
def composed(place: Place, docker: DockerForTests) -> Iterator[Containers]:
    with containers(place, docker.with_compose(place.path / "docker")) as made:
        yield made


def by_hand(made: Containers, engine: DockerEngine, *words: str, check: bool = True) -> str:
    """A person's ``docker compose`` with the file that lies in the work tree."""
    docker = dataclasses.replace(
        made.docker, environment={**made.docker.environment, "XDG_CONFIG_HOME": str(engine.passfile.parents[2])}
    )
    done = docker.run("compose", "-f", str(engine.root / engine.service.file_name), *words, check=check)
    return done.stdout + done.stderr


def described(docker: DockerForTests, container: str) -> dict[str, Any]:
    """What of a container the settings lead to, as the engine has it."""
    whole = json.loads(docker.run("inspect", container).stdout)[0]
    own, host = whole["Config"], whole["HostConfig"]
    return {
        "environment": sorted(v for v in own["Env"] if not v.startswith("POSTGRES_PASSWORD=")),
        "health": own["Healthcheck"],
        "labels": {k: v for k, v in own["Labels"].items() if k.startswith("ringfence.")},
        "stop": (own["StopSignal"], own["StopTimeout"]),
        "ports": host["PortBindings"],
        "restart": host["RestartPolicy"]["Name"],
        "shared memory": host["ShmSize"],
        "mounts": [(m["Type"], m["Name"], m["Destination"], m["RW"]) for m in whole["Mounts"]],
        "networks": list(whole["NetworkSettings"]["Networks"]),
    }


def test_production_by_the_plugin(composed: Containers) -> None:
    engine, docker = composed.engine("production"), composed.docker
    assert engine.start().created
    label = '{{index .Config.Labels "com.docker.compose.project"}}'
    assert docker.lines("inspect", "-f", label, engine.container) == [f"{composed.project}-production"]
    made = described(docker, engine.container)
    with connect(engine.target(), read_only=False) as connection:
        connection.execute("CREATE TABLE public.kept (x int)")

    by_hand(composed, engine, "down", "--volumes")
    assert engine.status().state == "absent"
    assert engine.volume in docker.lines("volume", "ls", "-q"), "production's data are not compose's to remove"
    plain = dataclasses.replace(engine, environ={k: v for k, v in engine.environ.items() if k != "DOCKER_CONFIG"})
    docker.run("network", "create", engine.service.network)
    assert plain.start().created and described(docker, engine.container) == made
    with connect(engine.target()) as connection:
        assert connection.execute("SELECT to_regclass('public.kept')").fetchone() == ("public.kept",)

    docker.run("rm", "-f", engine.container)
    assert engine.start().created, "a network that the plain client made is in the plugin's way"


def test_a_file_of_the_owners_is_his_to_start(composed: Containers) -> None:
    """What the refusal says works as it says it: compose makes the container, and up adopts it."""
    engine = composed.engine("test")
    path = engine.root / engine.service.file_name
    engine.start()
    own = path.read_text().replace("shm_size: 128m", "shm_size: 256m")
    by_hand(composed, engine, "down", "--volumes")
    assert engine.volume not in composed.docker.lines("volume", "ls", "-q"), "test's data are disposable"
    path.write_text(own)
    with pytest.raises(EngineError, match=r"is not what ringfence\.toml leads to") as caught:
        engine.start()
    assert f"docker compose -f {path.name} up -d" in str(caught.value.hint)
    by_hand(composed, engine, "up", "-d")
    started = engine.start(lambda question: True)
    assert not started.created
    assert described(composed.docker, engine.container)["shared memory"] == 256 << 20
