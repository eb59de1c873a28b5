"""What this machine holds at this moment, for the policy: places, listening sockets, the tool's own files."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from ringfence.sandbox.model import Mount
from ringfence.sandbox.policy import Kind


def kind_of(path: Path) -> Kind:
    """What stands at a path of this machine now."""
    if path.is_symlink():
        return "link"
    if path.is_dir():
        return "directory"
    if path.is_socket():
        return "socket"
    return "file" if path.exists() else "absent"


def listening_sockets() -> list[Path]:
    """Sockets with a path at which something on this machine listens: a read-only mount does not close them."""
    found = set()
    try:
        lines = Path("/proc/net/unix").read_text("utf-8", "replace").splitlines()[1:]
    except OSError:
        return []
    for line in lines:
        fields = line.split(None, 7)  # seven columns, then a path in which spaces stand as they are
        if len(fields) == 8 and fields[7].startswith("/"):
            with contextlib.suppress(OSError):
                path = Path(fields[7]).resolve()
                if path.is_socket():
                    found.add(path)
    return sorted(found)


def runtime_paths() -> tuple[Path, ...]:
    """What the entrance needs of this machine: the interpreter and this product's own files."""
    interpreter = Path(sys.executable)
    own = Path(__file__).resolve().parents[1]
    prefixes = {Path(sys.prefix), Path(sys.base_prefix), interpreter.parent, interpreter.resolve().parent}
    return (own, *sorted(p.resolve() for p in prefixes if len(p.parts) > 1 and p != Path("/usr")))


def visible_entries(path: Path) -> list[Path]:
    """What is in a directory, as far as it can be listed."""
    try:
        return sorted(path.iterdir())
    except OSError:
        return []


def resolver() -> list[Mount]:
    """Where the machine's name resolution is configured below /run, which is empty inside."""
    real = Path("/etc/resolv.conf").resolve()
    return [Mount(kind="read", path=real)] if real.is_file() and real.is_relative_to("/run") else []
