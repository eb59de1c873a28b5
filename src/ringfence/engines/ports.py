"""Whether a TCP port on this machine is free, and if not, who has it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path

from ringfence import process


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago; for databases that nobody needs to find again."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def listener(port: int) -> str | None:
    """The process that listens on the port, as ``1234 (postgres …)``; None where that cannot be seen."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _open_sockets(entry) & inodes:
            return process.describe(int(entry.name))
    return None


def _open_sockets(entry: Path) -> set[str]:
    links = set()
    with contextlib.suppress(OSError):  # the process is gone, or may not be looked at
        for descriptor in (entry / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed since it was listed; the others still count
                links.add(os.readlink(descriptor))
    return links


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "0A":
                inodes.add(f"socket:[{fields[9]}]")
    return inodes
