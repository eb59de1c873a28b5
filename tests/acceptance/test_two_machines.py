"""Two machines on one production, with a network between them: each has its own network, host name, home and state.

A machine is a pair of namespaces (network and host name) held by a process, with a cable (veth) to a bridge on which
production's server listens. What a test does inside of one, its commands and its connections too, comes from there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.acceptance.project import INVENTORY, Project, ends, new_project, wait_for
from tests.postgres import conftest as cluster
from tests.postgres.conftest import Server

from ringfence.postgres.programs import find_programs

pytestmark = pytest.mark.long

PASSWORD = "the admin's"
LETS_GO_AFTER_S = 30
"""15 s of silence, then three questions 5 s apart (`workflow.hold`)."""
_KINDS = ("net", "uts")
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


def enter(descriptor: int) -> None:
    """Move this thread into a namespace; the programs that it starts begin there."""
    if _libc.setns(descriptor, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@dataclass(kw_only=True)
class Network:
    """A bridge with an address of its own, and production's server on it."""

    name: str
    prefix: str
    server: Server | None = None

    @property
    def address(self) -> str:
        return f"{self.prefix}.1"


@dataclass(kw_only=True)
class Machine:
    """One of the two. ``cable`` is the bridge's end of what connects it."""

    name: str
    cable: str
    holder: subprocess.Popen[bytes]
    project: Project

    @contextlib.contextmanager
    def inside(self) -> Iterator[Project]:
        """On this machine, for as long as the block lasts."""
        with contextlib.ExitStack() as stack:
            for kind in _KINDS:
                home = os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
                there = os.open(f"/proc/{self.holder.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
                stack.callback(os.close, home)
                stack.callback(enter, home)
                try:
                    enter(there)
                finally:
                    os.close(there)
            yield self.project

    def plug(self, state: str) -> None:
        ip("link", "set", self.cable, state)


@contextlib.contextmanager
def machine(network: Network, letter: str, number: int) -> Iterator[Machine]:
    name, cable = f"machine-{letter}", f"{network.name}{letter}"
    script = f"hostname {name} && echo ready && exec sleep 600"
    holder = subprocess.Popen(["unshare", "--net", "--uts", "sh", "-c", script], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"ready\n"
        ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        ip("link", "set", cable, "master", network.name, "up")
        with new_project() as project:
            made = Machine(name=name, cable=cable, holder=holder, project=project)
            with made.inside():
                ip("link", "set", "lo", "up")
                ip("addr", "add", f"{network.prefix}.{number}/24", "dev", "eth0")
                ip("link", "set", "eth0", "up")
            yield made
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """The bridge and the server, or a skip where this machine may not make them."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare", "hostname"))):
        pytest.skip("network namespaces need root, ip, unshare and hostname")
    number = random.SystemRandom().randrange(1, 255)
    made = Network(name=f"rf{number}", prefix=f"10.213.{number}")
    try:
        ip("link", "add", made.name, "type", "bridge")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no bridge: {error.stderr.decode().strip()}")
    base = Path(tempfile.mkdtemp(prefix="ringfence-acceptance-machines-"))
    base.chmod(0o711)
    account = cluster._account()
    try:
        ip("addr", "add", f"{made.address}/24", "dev", made.name)
        ip("link", "set", made.name, "up")
        server = made.server = cluster._start(find_programs()[0], base, account)
        with (server.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {made.prefix}.0/24 scram-sha-256\n")
        server.execute(f"ALTER SYSTEM SET listen_addresses = '127.0.0.1, {made.address}'")
        server.control("restart", "-m", "fast")
        server.execute(
            f"CREATE ROLE inventory_admin SUPERUSER LOGIN PASSWORD '{PASSWORD.replace(chr(39), 2 * chr(39))}'",
            "CREATE DATABASE inventory OWNER inventory_admin",
        )
        server.psql("inventory", INVENTORY)
        yield made
    finally:
        cluster._remove(find_programs()[0], base, account)
        ip("link", "delete", made.name)


@pytest.fixture(scope="module")
def machines(network: Network) -> Iterator[tuple[Machine, Machine]]:
    """Both, each with a project of its own that knows production and has an agent that waits to be told to go on."""
    server = network.server
    assert server is not None
    with machine(network, "a", 2) as first, machine(network, "b", 3) as second:
        for one in (first, second):
            project = one.project
            with one.inside():
                # The wheel's programs do not encrypt, and the cable is the test's own.
                url = f"postgresql://inventory_admin@{network.address}:{server.port}/inventory?sslmode=disable"
                project.run("init", "--engine", "server", "--url", url, "--test-engine", "embedded")
                text = project.config.read_text().replace("db_port = 2346\n", f"db_port = {project.ports['test']}\n")
                project.config.write_text(text.replace('mode = "auto"', 'mode = "none"'))
                (project.base / "ringfence.toml.init").write_text(project.config.read_text())
                project.make_repository()
                project.pgpass.parent.mkdir(parents=True, mode=0o700)
                project.pgpass.write_text(f"{network.address}:{server.port}:*:inventory_admin:{PASSWORD}\n")
                project.pgpass.chmod(0o600)
                project.run("up", "--yes")
                project.run("backup", "create")
                project.run("reseed", "--fresh-start")
                marks = project.scripts / "going-on", project.scripts / "go-on"
                project.agent("build", f"touch {marks[0]}; while [ ! -e {marks[1]} ]; do sleep 0.05; done; echo x > x")
                project.configure("build")
        yield first, second


def begin(one: Machine) -> subprocess.Popen[bytes]:
    (one.project.scripts / "going-on").unlink(missing_ok=True)
    with one.inside() as project:
        child = project.start("run", "Work")
    wait_for((one.project.scripts / "going-on").exists, "the agent", timeout_s=90)
    return child


def holders(network: Network) -> list[str]:
    assert network.server is not None
    with cluster.psycopg.connect(network.server.target.conninfo()) as session:
        found = session.execute(
            "SELECT application_name FROM pg_stat_activity WHERE application_name ^@ 'ringfence run'"
        )
        return [name for (name,) in found]


def test_one_run_at_a_time_whoever_is_killed(network: Network, machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    child = begin(first)
    assert holders(network) == [f"ringfence run machine-a:{child.pid}"]
    with second.inside() as project:
        for command in ("run", "pre"):
            assert f"ringfence run machine-a:{child.pid}" in project.refused(command, "second", code=4)
        assert project.json("status")["in_the_way"] is None
    child.send_signal(signal.SIGKILL)
    ends(child)
    wait_for(lambda: not holders(network), "the end of the dead holder's session")
    with second.inside() as project:
        project.run("pre")
        project.run("post")
    with first.inside() as project:
        assert project.json("post")["verdict"] == "unchanged"


def test_a_machine_that_lost_its_network_lets_go(network: Network, machines: tuple[Machine, Machine]) -> None:
    """Its cable is pulled and then it dies, so the server hears nothing at all of its end."""
    first, second = machines
    child = begin(first)
    first.plug("down")
    pulled = time.monotonic()
    child.send_signal(signal.SIGKILL)
    ends(child)
    with second.inside() as project:
        assert f"machine-a:{child.pid}" in project.refused("pre", code=4), "nobody has told the server"
    wait_for(lambda: not holders(network), "the server to find out", timeout_s=LETS_GO_AFTER_S + 15, every_s=0.5)
    assert time.monotonic() - pulled > 10, "it was the server that found out"
    with second.inside() as project:
        run = project.json("pre")["run"]
        assert project.json("post")["verdict"] == "unchanged" and run["paused"] == "post"
    with first.inside() as project:
        said = project.refused("run", "again", code=4)
        assert "was interrupted" in said
    first.plug("up")
    with first.inside() as project:
        wait_for(lambda: "unreachable" not in project.run("status").said, "the network", timeout_s=20, every_s=1)
        assert project.json("post")["verdict"] == "unchanged"


def test_a_machine_that_comes_back_while_another_runs_does_not_pass(
    network: Network, machines: tuple[Machine, Machine]
) -> None:
    """It was cut off long enough to lose the lock; what it then verifies it has not had for itself."""
    first, second = machines
    child = begin(first)
    first.plug("down")
    wait_for(lambda: not holders(network), "the server to find out", timeout_s=LETS_GO_AFTER_S + 15, every_s=0.5)
    other = begin(second)
    first.plug("up")
    (first.project.scripts / "go-on").touch()
    assert ends(child) == 3
    with first.inside() as project:
        run = project.json("runs")["runs"][0]
        assert (run["outcome"], run["verdict"]["verdict"]) == ("halt", "unknown"), run["reasons"]
        assert any(f"machine-b:{other.pid}" in reason for reason in run["reasons"]), run["reasons"]
        assert run["commit"] is None
        project.run("resolve", run["id"], "--reason", "the cable was pulled")
    (second.project.scripts / "go-on").touch()
    assert ends(other) == 0
