"""The process outside a sandbox that connects for those inside: to fixed places, and to listed hosts over https.

Started as ``python -I -S forwarder.py CONTROL_FD``. The first message on the control socket is one JSON object
(`Plan`) with the descriptors of the listeners; a byte is the answer. Every destination that was refused is told
through the control socket, one JSON line each. It ends when the socket ends. Standard library only.

The proxy speaks CONNECT and nothing else. A name is looked up here, and an address of this machine is never connected
to by name: a listed host whose name leads to this machine (or is made to lead here) reaches nothing.
"""

from __future__ import annotations

import array
import base64
import contextlib
import ctypes
import functools
import ipaddress
import json
import os
import signal
import socket
import sys
import threading
from typing import NoReturn, TypedDict
from urllib.parse import unquote, urlsplit

if __name__ == "__main__":  # -I -S leave the product off the path; its own files are found from this one
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from ringfence.sandbox.relay import Relay

_DIAL_TIMEOUT_S = 15.0
_HEAD_TIMEOUT_S = 15.0
_MOST_HEAD_BYTES = 16384
_MOST_DIALS = 128
_MOST_PLAN_BYTES = 1 << 20
_MOST_LISTENERS = 250
_PR_SET_PDEATHSIG = 1


class Plan(TypedDict):
    """What to do with each listener, in the order of the descriptors.

    ``routes``: a host and port to connect to, or None for the proxy. A route to a numeric address is taken as it is;
    one to a name is treated as the proxy treats it. ``allow``: names (``*.example.com`` for all below
    it) and ports of the proxy. ``upstream``: the URL of the machine's own proxy, or None. ``direct``: suffixes of
    names that are reached without it.
    """

    routes: list[tuple[str, int] | None]
    allow: list[tuple[str, int]]
    upstream: str | None
    direct: list[str]


class RefusedError(Exception):
    """A destination that is not on the list; the text says why."""


def is_listed(host: str, port: int, allow: list[tuple[str, int]]) -> bool:
    """Whether the list allows a destination."""
    name = host.lower().rstrip(".")
    for wanted, wanted_port in allow:
        if port != wanted_port:
            continue
        if name == wanted.lower() or (wanted.startswith("*.") and name.endswith(wanted[1:].lower())):
            return True
    return False


def parse_connect(head: bytes) -> tuple[str, int]:
    """The destination of a request. Raises RefusedError for anything but a well-formed CONNECT."""
    try:
        method, where, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
    except ValueError:
        raise RefusedError("not a request") from None
    if method != "CONNECT":
        raise RefusedError("only CONNECT (https) is forwarded")
    host, _, port = where.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise RefusedError(f"no destination: {where[:100]!r}")
    return host, int(port)


def is_here(address: str) -> bool:
    """Whether an address is this machine's own, or one that never leaves the local network (a metadata service)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast:
        return True
    with socket.socket(socket.AF_INET if ip.version == 4 else socket.AF_INET6) as probe:
        try:
            probe.bind((str(ip), 0))
        except OSError:
            return False
    return True


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Forwarder:
    """Accepts, decides, dials. Dialling is done in threads, moving bytes in one loop."""

    def __init__(self, control: socket.socket, plan: Plan, listeners: list[socket.socket]) -> None:
        self._control, self._plan = control, plan
        self._relay = Relay()
        self._over = False
        self._dials = threading.Semaphore(_MOST_DIALS)
        self._told: set[str] = set()
        self._telling = threading.Lock()
        for listener, route in zip(listeners, plan["routes"], strict=True):
            self._relay.watch(listener, functools.partial(self._accept, listener, route))
        self._relay.watch(control, self._listen)

    def run(self) -> None:
        """Work until the control socket ends."""
        self._relay.run(lambda: self._over)

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                self._over = self._control.recv(64) == b""
            except ConnectionError:
                self._over = True

    def _accept(self, listener: socket.socket, route: tuple[str, int] | None) -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            if not self._dials.acquire(blocking=False):
                client.close()
                return
            threading.Thread(target=self._dial, args=(client, route), daemon=True).start()

    def _dial(self, client: socket.socket, route: tuple[str, int] | None) -> None:
        try:
            if route is None:
                self._relay.join(client, self._proxied(client))
            elif _is_number(route[0]):
                self._relay.join(client, socket.create_connection((route[0], route[1]), _DIAL_TIMEOUT_S))
            else:
                self._relay.join(client, self._connect(route[0], route[1]))
        except RefusedError as error:
            if route is None:
                _answer(client, 403, str(error))
            else:
                client.close()
        except OSError as error:
            if route is None:
                _answer(client, 502, error.strerror or str(error))
            else:
                client.close()
        finally:
            self._dials.release()

    def _proxied(self, client: socket.socket) -> socket.socket:
        client.settimeout(_HEAD_TIMEOUT_S)
        host, port = parse_connect(_read_head(client))
        if not is_listed(host, port, self._plan["allow"]):
            self._tell(f"{host}:{port}")
            raise RefusedError(f"{host}:{port} is not in allow_hosts of [sandbox] in ringfence.toml")
        server = self._connect(host, port)
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return server

    def _connect(self, host: str, port: int) -> socket.socket:
        upstream = self._plan["upstream"]
        name = host.lower()
        if upstream and not any(name == s or name.endswith("." + s.lstrip(".")) for s in self._plan["direct"]):
            return _through(upstream, host, port)
        problem: OSError = OSError(0, f"{host} has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            if is_here(str(address[0])) and str(address[0]) != host:
                self._tell(f"{host}:{port}")
                raise RefusedError(f"{host} leads to {address[0]}, an address of this machine")
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(_DIAL_TIMEOUT_S)
            try:
                connection.connect(address)
            except OSError as error:
                connection.close()
                problem = error
            else:
                return connection
        raise problem

    def _tell(self, destination: str) -> None:
        with self._telling:
            if destination in self._told or len(self._told) >= 100:
                return
            self._told.add(destination)
            with contextlib.suppress(OSError):
                self._control.send(json.dumps({"refused": destination[:200]}).encode() + b"\n")


def _read_head(client: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        # One byte at a time at the end would be slow; a client sends nothing before it has its answer.
        data = client.recv(4096)
        if not data or len(head) > _MOST_HEAD_BYTES:
            raise RefusedError("not a request")
        head += data
    return head


def _through(upstream: str, host: str, port: int) -> socket.socket:
    """A connection through the machine's own proxy, which looks the name up itself."""
    url = urlsplit(upstream if "://" in upstream else f"http://{upstream}")
    if url.scheme != "http" or not url.hostname:
        raise OSError(0, f"the machine's own proxy is {url.scheme}; only http proxies are used")
    connection = socket.create_connection((url.hostname, url.port or 3128), _DIAL_TIMEOUT_S)
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if url.username:
        login = f"{unquote(url.username)}:{unquote(url.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)  # not one byte of what the server says after it may be taken
        if not byte or len(head) > _MOST_HEAD_BYTES:
            raise OSError(0, "the machine's own proxy does not answer")
        head += byte
    if head.split(b" ")[1:2] != [b"200"]:
        raise OSError(0, f"the machine's own proxy says {head[:60].decode('latin-1')!r}")
    return connection


def _answer(client: socket.socket, status: int, why: str) -> None:
    body = f"ringfence: {why}\n".encode()
    word = {403: "Forbidden", 502: "Bad Gateway"}[status]
    head = f"HTTP/1.1 {status} {word}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close"
    with contextlib.suppress(OSError):
        client.sendall(head.encode() + b"\r\n\r\n" + body)
    client.close()


def receive(control: socket.socket) -> tuple[Plan, list[socket.socket]]:
    """The plan and the listeners that came with it."""
    numbers = array.array("i")
    data, extra, _, _ = control.recvmsg(_MOST_PLAN_BYTES, socket.CMSG_SPACE(_MOST_LISTENERS * numbers.itemsize))
    for level, kind, content in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    plan: Plan = json.loads(data)
    return plan, [socket.socket(fileno=number) for number in numbers]


def main(arguments: list[str]) -> NoReturn:
    """The command line, see the module."""
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(sign, signal.SIG_IGN)  # a Ctrl-C on the terminal is for the agent; this ends with the tool
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    control = socket.socket(fileno=int(arguments[0]))
    plan, listeners = receive(control)
    forwarder = Forwarder(control, plan, listeners)
    control.setblocking(True)
    control.send(b"r")
    control.setblocking(False)
    forwarder.run()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
