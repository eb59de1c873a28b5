"""The tables of ways, with both environments in containers: every writing command refuses each with 7.

Production's container is the owner's own, published to every address of the machine and with its socket outside, so
that as many doors as possible are open. One engine and one pair of containers serve the whole table.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.dockerd import DockerForTests
from tests.postgres.workflow import tables
from tests.postgres.workflow.refusals import (
    AGENT,
    ON_PRODUCTION,
    ON_TEST,
    RESTORE,
    all_refuse,
    everything,
    prepare_the_worst,
    settings,
    undo_the_worst,
)
from tests.postgres.workflow.stage import Quiet, Stage
from tests.postgres.workflow.tables import COPY, SAME_SERVER, Tried
from tests.postgres.workflow.ways import Door, Way, copy_files, let_in

from ringfence import process
from ringfence.engines import ports
from ringfence.engines.docker import DockerEngine
from ringfence.workflow.backups.backup import create_backup
from ringfence.workflow.backups.reseed import reseed
from ringfence.workflow.checks import check_reach
from ringfence.workflow.project import open_project
from ringfence.workflow.servers import environments

pytestmark = pytest.mark.postgres

NOT_LISTENING = ("IPv6", "IPv4 within IPv6")
"""The tests' engine publishes on IPv4 only."""
QUICK = ("its name", "a Unix socket", "a forwarded port", "a pooler, by session", "the role shut out")
QUICK_URLS = ("another host as a parameter", "a service")


@pytest.fixture(scope="module")
def contained(_docker_engine: DockerForTests) -> Iterator[Stage]:
    """A project that was used, in two containers, and production prepared for the worst."""
    docker, place = _docker_engine, Path(tempfile.mkdtemp(prefix="ringfence-ways-"))
    place.chmod(0o711)
    name = f"p{secrets.token_hex(5)}"
    try:
        stage = _project(docker, place, name)
        production = stage.project.engine("production")
        assert isinstance(production, DockerEngine)
        sockets = place / "sockets"
        sockets.mkdir()
        docker.run("network", "create", f"{name}-mine")
        words = ["--name", production.container, "--network", f"{name}-mine", "-p", f"0.0.0.0:{production.port}:5432"]
        words += ["-v", f"{production.volume}:/var/lib/postgresql/data", "-v", f"{sockets}:/run/postgresql"]
        docker.run("run", "-d", *words, "-e", "POSTGRES_PASSWORD=the owner's", docker.image)
        _when_up(docker, production.container)
        docker.run("exec", production.container, "createdb", "-U", "postgres", name)
        environments.up(
            stage.project, environments.BOTH, Quiet(), consent=lambda found: True, agree=lambda question: True
        )
        stage.run("production", "CREATE TABLE public.item (a int)", "INSERT INTO public.item VALUES (1)")
        create_backup(stage.project, issue=None, progress=stage.progress)
        reseed(stage.project, None, fresh_start=True, progress=stage.progress)
        prepare_the_worst(stage)
        yield stage
        undo_the_worst(stage)
    finally:
        _remove(docker, name)
        shutil.rmtree(place, ignore_errors=True)


def _project(docker: DockerForTests, place: Path, name: str) -> Stage:
    root = place / "work tree"
    root.mkdir()
    text = f'project = "{name}"\n'
    for environment, role in (("production", 'admin_role = "shared_admin"'), ("test", 'role = "shared_test"')):
        web, port = (1, ports.free_port()) if environment == "production" else (2, ports.free_port())
        text += f'[{environment}]\nengine = "docker"\nimage = "{docker.image}"\n'
        text += f"web_port = {web}\ndb_port = {port}\n{role}\n"
    (root / "ringfence.toml").write_text(text + AGENT)
    environ = {
        **docker.environment,
        "PATH": process.SYSTEM_PATH,
        "LC_ALL": "C.UTF-8",
        "HOME": str(place / "home"),
        **{f"XDG_{kind}_HOME": str(place / kind.lower()) for kind in ("CONFIG", "STATE", "DATA")},
    }
    project = open_project(root / "ringfence.toml", start=root, environ=environ)
    return Stage(project=project, environ=environ)


def _when_up(docker: DockerForTests, container: str) -> None:
    until = time.monotonic() + 60
    while docker.run("exec", container, "pg_isready", "-h", "127.0.0.1", check=False).returncode:
        assert time.monotonic() < until, docker.run("logs", container, check=False).stderr
        time.sleep(0.1)


def _remove(docker: DockerForTests, name: str) -> None:
    for container in docker.lines("ps", "-a", "--format", "{{.Names}}"):
        if container.startswith(name):
            docker.run("rm", "-f", "-v", container, check=False)
    for kind in ("volume", "network"):
        for found in docker.lines(kind, "ls", "--format", "{{.Name}}"):
            if found.startswith(name):
                docker.run(kind, "rm", found, check=False)


@pytest.fixture
def tried(contained: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tried:
    return Tried(contained, capsys, monkeypatch)


def _inside(stage: Stage, docker: DockerForTests) -> Way:
    """Production's address on its own network, where its own port is open."""

    @contextlib.contextmanager
    def way(_: Stage) -> Iterator[Door]:
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = docker.lines("inspect", "-f", template, stage.project.settings.production.container or "")[0]
        yield Door(host=address, port=5432)

    return way


def changed(stage: Stage, **values: str) -> str:
    """The settings with other lines under [test]."""
    head, _, rest = stage.project.settings.found_at.read_text().partition("[test]\n")
    lines = [line for line in rest.splitlines() if line.split(" =")[0] not in values]
    return f"{head}[test]\n" + "\n".join([*(f"{k} = {v}" for k, v in values.items()), *lines]) + "\n"


def swapped(stage: Stage) -> str:
    """Each environment has the container, the volume and the port of the other."""
    text, production, test = stage.project.settings.found_at.read_text(), *_names(stage)
    for environment, names in (("production", test), ("test", production)):
        text = text.replace(f"[{environment}]\n", f"[{environment}]\n{names}")
    ports_of = stage.project.settings.production.db_port, stage.project.settings.test.db_port
    mark = "db_port = 0"
    text = text.replace(f"db_port = {ports_of[0]}", mark).replace(
        f"db_port = {ports_of[1]}", f"db_port = {ports_of[0]}"
    )
    return text.replace(mark, f"db_port = {ports_of[1]}")


def _names(stage: Stage) -> tuple[str, str]:
    both = stage.project.settings.production, stage.project.settings.test
    production, test = (f'container = "{one.container}"\nvolume = "{one.volume}"\n' for one in both)
    return production, test


SETTINGS: dict[str, Callable[[Stage], str]] = {
    "its container": lambda s: changed(
        s,
        container=f'"{s.project.settings.production.container}"',
        volume=f'"{s.project.settings.production.volume}"',
    ),
    "its container alone": lambda s: changed(s, container=f'"{s.project.settings.production.container}"'),
    "its volume alone": lambda s: changed(s, volume=f'"{s.project.settings.production.volume}"'),
    "its port": lambda s: changed(s, db_port=str(s.project.settings.production.db_port)),
    "both swapped": swapped,
}


def test_the_ways_that_are_tried_first(
    tried: Tried, docker: DockerForTests, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in QUICK:
        if not tables.lacking(name):
            tried.test_way(name)
    for name in QUICK_URLS:
        tried.hiding_url(name)
    tried.way("its address on its own network", _inside(tried.stage, docker), SAME_SERVER)
    tried.production_door("the test server", *tables.PRODUCTION_DOORS["the test server"])
    for text in SETTINGS.values():
        with settings(tried.stage, text(tried.stage)):
            all_refuse(tried.stage, capsys, monkeypatch, (ON_TEST[0], ON_TEST[2]), looks=False)


def test_a_port_that_is_open_to_the_machine_is_found_from_the_test_container(contained: Stage) -> None:
    """By the gateway of its network; what is to be done is said of production's container, not of test's."""
    network = next(iter(check_reach.reach(contained.project)))
    assert network.outcome == "fails", network
    assert f"-p 127.0.0.1:{contained.production.port}:5432" in str(network.findings[0].fix)


TRY: dict[str, Callable[[Tried, str], None]] = {
    "test": lambda tried, name: tried.test_way(name),
    "url": lambda tried, name: tried.hiding_url(name),
    "statement": lambda tried, name: tried.production_statement(name),
    "door": lambda tried, name: tried.production_door(name, *tables.PRODUCTION_DOORS[name]),
    "clone": lambda tried, name: tried.both_ways(name),
}
WHOLE_TABLE = [
    *(("test", name) for name in tables.TEST_WAYS if name not in NOT_LISTENING),
    *(("url", name) for name in tables.REFUSED_URLS),
    *(("statement", name) for name in tables.PRODUCTION_STATEMENTS),
    *(("door", name) for name in tables.PRODUCTION_DOORS),
    *(("clone", name) for name in tables.CLONES),
]
assert len(WHOLE_TABLE) >= 30


@pytest.mark.long
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_lead_to_the_container_of_production(
    tried: Tried, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with settings(tried.stage, SETTINGS[name](tried.stage)):
        all_refuse(tried.stage, capsys, monkeypatch, ON_TEST)


@pytest.mark.long
@pytest.mark.parametrize(("table", "name"), WHOLE_TABLE)
def test_the_whole_table(tried: Tried, table: str, name: str) -> None:
    """Every way that containers can have, against each command that writes."""
    lacks = tables.lacking(name)
    if lacks is None and table == "clone" and os.geteuid() != 0:
        lacks = "only root reads the files of a volume"
    if lacks is not None:
        pytest.skip(lacks)
    TRY[table](tried, name)


def test_a_copy_of_the_volume_is_not_production(
    contained: Stage, docker: DockerForTests, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner's container on a copy of its volume: same server by all it says, and other data from now on."""
    engine = contained.project.engine("production")
    assert isinstance(engine, DockerEngine)
    name, port, before = f"{contained.project.name}-copy", ports.free_port(), everything(contained)
    if os.geteuid() != 0:
        pytest.skip("only root reads the files of a volume")
    docker.run("volume", "create", name)
    place = "{{.Mountpoint}}"
    there, here = (Path(docker.lines("volume", "inspect", "-f", place, v)[0]) for v in (engine.volume, name))
    copy_files(contained.production.conninfo(), there, here)
    os.chown(here, there.stat().st_uid, there.stat().st_gid)
    here.chmod(0o700)
    words = ("-d", "--name", name, "--network", f"{contained.project.name}-mine", "-p", f"127.0.0.1:{port}:5432")
    docker.run("run", *words, "-v", f"{name}:/var/lib/postgresql/data", docker.image)
    _when_up(docker, name)
    text = contained.project.settings.found_at.read_text()
    own = f'container = "{name}"\nvolume = "{name}"\ndb_port = {port}\n'
    as_production = text.replace(f"db_port = {engine.port}\n", own)
    as_test = changed(contained, container=f'"{name}"', volume=f'"{name}"', db_port=str(port))
    for role in ("shared_admin", "shared_test"):
        passwords = contained.project.paths.pgpass.read_text().splitlines()
        again = [line.replace(f":{engine.port}:", f":{port}:") for line in passwords if f":{engine.port}:" in line]
        contained.project.paths.pgpass.write_text("\n".join([*passwords, *(a for a in again if role in a)]) + "\n")
    try:
        with settings(contained, as_production):
            told = all_refuse(
                contained, capsys, monkeypatch, (ON_PRODUCTION[0], ON_PRODUCTION[1], *RESTORE), looks=False
            )
            assert "on record: it is a copy of the files, or they were moved" in told, told
        with settings(contained, as_test):
            let_in(contained, Door(host="127.0.0.1", port=port))
            assert COPY in all_refuse(contained, capsys, monkeypatch, (ON_TEST[0], ON_TEST[2]), looks=False)
        assert everything(contained) == before
    finally:
        docker.run("rm", "-f", name, check=False)
        docker.run("volume", "rm", name, check=False)
