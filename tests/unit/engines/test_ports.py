"""Whether a port is free, and who has it: real sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from ringfence.engines import ports


def listening(address: str = "127.0.0.1", family: int = socket.AF_INET) -> socket.socket:
    server = socket.socket(family)
    server.bind((address, 0))
    server.listen()
    return server


def test_a_free_port_is_free() -> None:
    port = ports.free_port()
    assert ports.is_free(port)
    assert ports.listener(port) is None


@pytest.mark.parametrize(
    ("address", "family"),
    [("127.0.0.1", socket.AF_INET), ("0.0.0.0", socket.AF_INET), ("::", socket.AF_INET6)],
)
def test_a_port_that_somebody_listens_on_is_not_free(address: str, family: int) -> None:
    with listening(address, family) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
        assert str(ports.listener(port)).startswith(f"{os.getpid()} (")
    assert ports.is_free(port)


def test_a_port_on_another_address_is_free_here() -> None:
    with listening("127.0.0.2") as server:
        assert ports.is_free(server.getsockname()[1])


def test_a_port_that_is_bound_and_not_listened_on_is_not_free_and_nobodys() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.listener(port) is None


def test_a_port_that_was_just_closed_is_free() -> None:
    """A server that was stopped leaves connections in TIME_WAIT; it may be started again at once."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            taken, _ = server.accept()
            taken.close()
    assert ports.is_free(port)


def test_a_process_that_listens_is_named() -> None:
    script = (
        "import socket, sys; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); "
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        told = str(ports.listener(port))
        child.communicate()
    assert told.startswith(f"{child.pid} (") and "import socket" in told
