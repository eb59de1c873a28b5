"""A local server that speaks the part of GitHub's REST API that comments need, with what it was sent kept.

Shapes and status codes are those of GitHub's REST reference: 201 for a new comment, 200 for an edited one, 401 and 404
with a ``message``. With a certificate it speaks TLS below ``/api/v3``, as an Enterprise server does.
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN = "ghp_1234567890abcdefTOKEN"
_ISSUE = re.compile(r"/repos/([^/]+/[^/]+)/issues/(\d+)/comments")
_COMMENT = re.compile(r"/repos/([^/]+/[^/]+)/issues/comments/(\d+)")


@dataclass
class GitHub:
    """What the server holds: comments by id, and every request in order. ``fail`` answers the next requests instead."""

    port: int = 0
    comments: dict[int, str] = field(default_factory=dict)
    places: dict[int, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    fail: list[int] = field(default_factory=list)
    hang_s: float = 0.0
    known: frozenset[str] = frozenset({"acme/shop"})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    github: GitHub

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.github
        body = json.loads(self._body())
        path = self.path.removeprefix("/api/v3")
        hub.requests.append((self.command, path))
        time.sleep(hub.hang_s)
        if hub.fail:
            return self._say(hub.fail.pop(0), {"message": "Server Error"})
        if self.headers["Authorization"] not in (f"Bearer {TOKEN}", f"token {TOKEN}"):
            return self._say(401, {"message": "Bad credentials"})
        issue, comment = _ISSUE.fullmatch(path), _COMMENT.fullmatch(path)
        if self.command == "POST" and issue and issue[1] in hub.known:
            number = 1000 + len(hub.comments)
            hub.comments[number], hub.places[number] = body["body"], f"{issue[1]}#{issue[2]}"
            return self._say(201, {"id": number, "body": body["body"]})
        if self.command == "PATCH" and comment and int(comment[2]) in hub.comments:
            hub.comments[int(comment[2])] = body["body"]
            return self._say(200, {"id": int(comment[2]), "body": body["body"]})
        return self._say(404, {"message": "Not Found"})

    def _body(self) -> bytes:
        if self.headers["Content-Length"]:
            return self.rfile.read(int(self.headers["Content-Length"]))
        data = b""  # gh reads what it sends from a pipe and so does not know its length
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _say(self, status: int, document: dict[str, object]) -> None:
        data = json.dumps(document).encode()
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a client that went away


@contextlib.contextmanager
def github(certificate: Path | None = None, *, address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[GitHub]:
    """The server, on a free port of 127.0.0.1, for as long as the block runs."""
    hub = GitHub()
    handler = type("Handler", (_Handler,), {"github": hub})
    server = _Server(address, handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    hub.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
