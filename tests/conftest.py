"""What holds for every test, and what tests of every kind share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from tests.dockerd import DockerForTests, docker_engine

# A shell that starts the suite in the background has it ignore Ctrl-C, nohup has it ignore a closed terminal, and so
# would every program that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def _docker_engine() -> Iterator[DockerForTests]:
    with docker_engine() as engine:
        yield engine


@pytest.fixture
def docker(_docker_engine: DockerForTests) -> DockerForTests:
    """A Docker engine with an image of this machine's newest PostgreSQL."""
    return _docker_engine
