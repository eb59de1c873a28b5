"""A sandbox's places and namespaces as a command line of bubblewrap. Pure but for the search for the program."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ringfence.sandbox.model import Mount

_FOR_EVERYBODY = ("/tmp", "/var/tmp")
_DEVICES = ("--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm")
_KERNEL = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/scsi")
_PROGRAMS = ("/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap")


def find() -> Path | None:
    """The program, from places that only an administrator writes to; never from ``PATH``."""
    return next((Path(name) for name in _PROGRAMS if os.access(name, os.X_OK)), None)


def agent_line(program: Path, made: Iterable[Mount], *, own_network: bool, root: bool, directory: Path) -> list[str]:
    """The words before ``-- COMMAND`` for an agent: its own processes, IPC, host name and where wanted network.

    Process 1 is the command (`entrance` collects orphans); it ends when whatever started it ends. Standard input stays
    on the terminal, into which the filter of system calls forbids typing.
    """
    words = [str(program), *_files(made), *_DEVICES, "--proc", "/proc"]
    # bubblewrap leaves these open where the user is root: root may write there without any capability, and a program
    # named in core_pattern is run outside.
    for name in _KERNEL:
        words += ["--ro-bind-try", name, name]
    words += ["--remount-ro", "/"]
    words += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--as-pid-1"]
    words += ["--die-with-parent", "--cap-drop", "ALL"]
    if own_network:
        words += ["--unshare-net", "--cap-add", "CAP_NET_BIND_SERVICE"]
    if not root:
        words.append("--unshare-user")
    return [*words, "--chdir", str(directory), "--"]


def server_line(program: Path, made: Iterable[Mount], *, root: bool) -> list[str]:
    """The words before ``-- COMMAND`` for a server: its own files and IPC.

    It keeps the machine's network, because it is connected to, and its process numbers, because pg_ctl reads the one
    in ``postmaster.pid``. It has no ``/proc``: the machine's own would show every process. It outlives its starter.
    """
    words = [str(program), *_files(made), *_DEVICES, "--remount-ro", "/", "--unshare-ipc", "--cap-drop", "ALL"]
    if root:
        words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        words.append("--unshare-user")
    return [*words, "--chdir", "/", "--"]


def _files(made: Iterable[Mount]) -> list[str]:
    words: list[str] = []
    kinds: dict[Path, str] = {}
    for mount in made:
        words += _directories_above(mount.path, kinds)
        kinds[mount.path] = mount.kind
        words += _words(mount)
    return words


def _directories_above(path: Path, kinds: dict[Path, str]) -> list[str]:
    """Directories that lead to a place, for everybody to pass: bubblewrap closes those above a private one."""
    words: list[str] = []
    for parent in list(path.parents)[-2::-1]:
        holder = next((kinds[p] for p in (parent, *parent.parents) if p in kinds), "scratch")
        if parent not in kinds and holder == "scratch":
            words += ["--perms", "0755", "--dir", str(parent)]
            kinds[parent] = "scratch"
    return words


def _words(mount: Mount) -> list[str]:
    path, source = str(mount.path), str(mount.source or mount.path)
    match mount.kind:
        case "read":
            return ["--ro-bind", source, path]
        case "write":
            return ["--bind", source, path]
        case "link":
            return ["--symlink", mount.target or "", path]
        case "scratch":
            return ["--perms", "1777" if path in _FOR_EVERYBODY else "0755", "--tmpfs", path]
        case "closed":
            return ["--perms", "0555", "--tmpfs", path, "--remount-ro", path]
        case "masked":
            return ["--ro-bind", "/dev/null", path]
