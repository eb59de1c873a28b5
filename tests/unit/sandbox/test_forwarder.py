"""The forwarder: what is listed gets through byte for byte, everything else is refused, this machine always."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ringfence.sandbox import forwarder
from ringfence.sandbox.model import Forward

Stage = Any


@pytest.mark.parametrize(
    ("host", "port", "listed"),
    [
        ("api.example.com", 443, True),
        ("API.example.COM.", 443, True),
        ("api.example.com", 80, False),
        ("api.example.com.evil.net", 443, False),
        ("xapi.example.com", 443, False),
        ("example.com", 443, False),
        ("a.b.example.org", 443, True),
        ("example.org", 443, False),
        ("evilexample.org", 443, False),
        ("127.0.0.1", 443, False),
        ("other.net", 8443, True),
    ],
)
def test_what_is_listed(host: str, port: int, listed: bool) -> None:
    allow = [("api.example.com", 443), ("*.example.org", 443), ("other.net", 8443)]
    assert forwarder.is_listed(host, port, allow) is listed


@pytest.mark.parametrize(
    "head",
    [
        b"GET http://example.com/ HTTP/1.1\r\n\r\n",
        b"CONNECT example.com HTTP/1.1\r\n\r\n",
        b"CONNECT example.com:0 HTTP/1.1\r\n\r\n",
        b"CONNECT example.com:99999 HTTP/1.1\r\n\r\n",
        b"CONNECT :443 HTTP/1.1\r\n\r\n",
        b"CONNECT example.com:443:80 x HTTP/1.1\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(head: bytes) -> None:
    with pytest.raises(forwarder.RefusedError):
        forwarder.parse_connect(head)


def test_a_request() -> None:
    assert forwarder.parse_connect(b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n") == (
        "api.example.com",
        443,
    )
    assert forwarder.parse_connect(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n") == ("2001:db8::1", 443)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "169.254.169.254", "fe80::1%lo", "::ffff:127.0.0.1"]
)
def test_addresses_of_this_machine(address: str) -> None:
    assert forwarder.is_here(address)


def test_an_address_elsewhere() -> None:
    assert not forwarder.is_here("198.51.100.7") and not forwarder.is_here("2001:db8::7")


@contextlib.contextmanager
def echo() -> Iterator[int]:
    """A server that sends back everything it hears, then what it counted."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def own_network(stage: Stage) -> Stage:
    from tests.unit.sandbox.conftest import FULL

    if "bwrap-net" not in FULL:
        pytest.skip("no sandbox: bubblewrap is not installed")
    return stage


def test_megabytes_there_and_back_on_many_connections(own_network: Stage) -> None:
    with echo() as port:
        own_network.want(forwards=(Forward(inside=("127.0.0.1", 7000), outside=("127.0.0.1", port)),))
        done = own_network.python(
            "bwrap-net",
            "import socket, threading, hashlib, os\n"
            "def one():\n"
            "    data = os.urandom(3_000_000)\n"
            "    with socket.create_connection(('127.0.0.1', 7000)) as c:\n"
            "        t = threading.Thread(target=lambda: (c.sendall(data), c.shutdown(socket.SHUT_WR)))\n"
            "        t.start()\n"
            "        got = b''.join(iter(lambda: c.recv(65536), b''))\n"
            "        t.join()\n"
            "    print('same' if hashlib.sha256(got).digest() == hashlib.sha256(data).digest() else len(got))\n"
            "threads = [threading.Thread(target=one) for _ in range(8)]\n"
            "[t.start() for t in threads]; [t.join() for t in threads]\n",
        )
    assert done.out.split() == ["same"] * 8


def test_a_server_that_is_not_there_closes(own_network: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    own_network.want(forwards=(Forward(inside=("127.0.0.1", 7000), outside=("127.0.0.1", port)),))
    done = own_network.python(
        "bwrap-net", "import socket; print(socket.create_connection(('127.0.0.1', 7000)).recv(1))"
    )
    assert done.out == "b''\n"


ASK = """
import socket
def ask(host, port):
    c = socket.create_connection(("127.0.0.1", 3128), 10)
    c.sendall(f"CONNECT {host}:{port} HTTP/1.1\\r\\n\\r\\n".encode())
    print(c.recv(2000).split(b"\\r\\n")[0].decode())
    return c
"""


def test_the_proxy_reaches_what_is_listed_and_tells_what_was_refused(own_network: Stage) -> None:
    with echo() as port:
        own_network.want(hosts=(("127.0.0.1", port), ("localhost", port)))
        script = ASK + f"c = ask('127.0.0.1', {port}); c.sendall(b'hello'); print(c.recv(9))\n"
        script += f"ask('localhost', {port}); ask('example.com', 443); ask('127.0.0.1', {port + 1})\n"
        done = own_network.python("bwrap-net", script)
    lines = done.out.splitlines()
    assert lines[:2] == ["HTTP/1.1 200 Connection established", "b'hello'"], done.out
    assert all(" 403 " in line for line in lines[2:]) and len(lines) == 5, "a name that leads to this machine, too"
    assert set(done.refused) == {f"localhost:{port}", "example.com:443", f"127.0.0.1:{port + 1}"}


def test_programs_that_know_no_proxy_reach_a_listed_name(own_network: Stage) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can listen on port 443 in the sandbox's network")
    own_network.want(hosts=(("api.example.com", 443),))
    done = own_network.python("bwrap-net", "import socket; print(socket.gethostbyname('api.example.com'))")
    assert done.out.startswith("127.77.0.")


def test_the_machines_own_proxy_is_used(own_network: Stage) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as upstream:

        def serve() -> None:
            connection, _ = upstream.accept()
            with connection:
                heard.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                connection.recv(1)
                connection.sendall(b"hello from there")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        own_network.want(
            hosts=(("api.example.com", 443),),
            upstream_proxy=f"http://ada:p%40ss@127.0.0.1:{upstream.getsockname()[1]}",
        )
        script = ASK + "c = ask('api.example.com', 443)\nc.sendall(b'x')\nprint(c.recv(100))\n"
        done = own_network.python("bwrap-net", script)
        thread.join(5)
    assert done.out.splitlines() == ["HTTP/1.1 200 Connection established", "b'hello from there'"]
    assert heard[0].startswith(b"CONNECT api.example.com:443 HTTP/1.1\r\n") and b"Basic YWRhOnBAc3M=" in heard[0]
