"""Things outside a sandbox that a probe can try to reach, so that "refused" means the sandbox and not their absence.

Each of them is reached once from outside before anything inside is believed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ringfence import clock, process


@dataclass(frozen=True, kw_only=True)
class Decoys:
    """A listening port, two sockets with a path (one in the work tree), an abstract one, a file, a process."""

    port: int
    sockets: tuple[Path, ...]
    abstract: str
    secret_file: Path
    pid: int


@contextlib.contextmanager
def standing(worktree: Path) -> Iterator[Decoys]:
    """The decoys, for as long as the block runs. Raises OSError where one of them cannot be reached from outside."""
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ringfence-probe-"))).resolve()
        secret = place / "secret"
        secret.write_text("a secret\n")
        secret.chmod(0o644)
        mark = secrets.token_hex(6)
        paths = (place / "socket", worktree / f".ringfence-probe-{mark}")
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        _answer(stack, listener)
        for path in paths:
            _answer(stack, _listening(stack, str(path)))
            stack.callback(path.unlink, missing_ok=True)
        _answer(stack, _listening(stack, f"\0ringfence-probe-{mark}"))
        child = process.stream(["/bin/sleep", "120"], env={"RINGFENCE_PROBE_SECRET": mark}, cwd=Path("/"), stdin=None)
        stack.callback(child.wait)
        stack.callback(child.kill)
        if child.stdout is not None:
            stack.callback(child.stdout.close)
        found = Decoys(
            port=int(listener.getsockname()[1]),
            sockets=paths,
            abstract=f"ringfence-probe-{mark}",
            secret_file=secret,
            pid=child.pid,
        )
        _require_reachable(found)
        yield found


def _listening(stack: contextlib.ExitStack, address: str) -> socket.socket:
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(address)
    listener.listen(8)
    return listener


def _answer(stack: contextlib.ExitStack, listener: socket.socket) -> None:
    """Accept and answer until the block ends."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(1)
                    connection.recv(64)
                    connection.send(b"N")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    stack.callback(thread.join, 2)
    stack.callback(_wake, listener)


def _wake(listener: socket.socket) -> None:
    """A thread in accept() does not notice that its socket is closed."""
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)


def _require_reachable(decoys: Decoys) -> None:
    with socket.create_connection(("127.0.0.1", decoys.port), 5) as connection:
        connection.send(b"\0" * 8)
        if connection.recv(1) != b"N":
            raise OSError(0, "the decoy port does not answer")
    for address in (*map(str, decoys.sockets), f"\0{decoys.abstract}"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            probe.connect(address)
    os.kill(decoys.pid, 0)
    for _ in range(200):  # it may not have got as far as its program
        if b"RINGFENCE_PROBE_SECRET" in Path(f"/proc/{decoys.pid}/environ").read_bytes():
            return
        clock.pause(0.01)
    raise OSError(0, "the decoy process shows no environment")
