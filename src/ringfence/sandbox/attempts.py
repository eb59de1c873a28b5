"""Runs inside a sandbox and tries to get out. One JSON line per attempt on standard output; standard library only.

Started as ``python -I -S attempts.py TARGETS`` with one JSON object, which `probe` writes. Every attempt either gets
through or raises; an attempt that has no target is not made.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

if __name__ == "__main__":  # -I -S leave the product off the path; its own files are found from this one
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from ringfence.sandbox import tries

Try = Callable[[], object]
_WAIT_S = 15
"""For one attempt; one that hangs longer is left behind, and prints nothing."""
_KERNEL_FILES = (
    *("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger"),
    *("/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run", "/sys/power/state", "/sys/fs/cgroup/cgroup.procs"),
)
_DISKS = ("/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/xvda", "/dev/vdb", "/dev/sdb", "/dev/dm-0")


def _network(targets: dict[str, Any]) -> dict[str, Try]:
    found: dict[str, Try] = {}
    for number, (host, port) in enumerate(targets["servers"]):
        found[f"tcp to {'production' if number == 0 else 'a server'} at {host}:{port}"] = partial(tries.tcp, host, port)
    ports = {"production": targets["production_port"], "another port": targets["decoy_port"]}
    if targets["test_server"] and targets["test_server"][1] == ports["production"]:
        del ports["production"]  # both are elsewhere and have the same port: here it is the test database's
    for name, port in ports.items():
        found |= {
            f"mptcp to {name}": partial(tries.tcp, "127.0.0.1", port, protocol=262),
            f"smc to {name}": partial(tries.other_family, 43, socket.SOCK_STREAM, ("127.0.0.1", port)),
            f"tcp fast open (sendto) to {name}": partial(tries.fast_open, port, message=False),
            f"tcp fast open (sendmsg) to {name}": partial(tries.fast_open, port, message=True),
        }
    decoy = targets["decoy_port"]
    found |= {
        "sctp to another port": lambda: tries.other_family(
            socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", decoy), 132
        ),
        "vsock to the host": lambda: tries.other_family(40, socket.SOCK_STREAM, (2, 1024)),
        "raw packets": lambda: socket.socket(17, socket.SOCK_RAW, socket.htons(3)).close(),
        "raw ip": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
        "cloud metadata service": lambda: tries.tcp("169.254.169.254", 80, say=b"GET / HTTP/1.0\r\n\r\n"),
        "any address of the internet": lambda: tries.tcp("198.51.100.1", 443),
        "io_uring": lambda: tries.call("io_uring_setup", 1, ctypes.create_string_buffer(120)),
        "abstract socket": lambda: tries.connect_unix("\0" + targets["abstract"]),
    }
    for path in targets["sockets"]:
        found[f"socket {path}"] = partial(tries.connect_unix, path)
    url = os.environ.get("HTTPS_PROXY")
    for host, port in targets["unlisted"]:
        found[f"proxy to {host}:{port}"] = partial(tries.ask_proxy, url, host, port)
    return found


def _files(targets: dict[str, Any]) -> dict[str, Try]:
    found: dict[str, Try] = {}
    for name, path in targets["hidden"].items():
        found[f"read {name}"] = partial(tries.read, path)
    for name, path in targets["backups"].items():
        found[f"write {name}"] = partial(tries.write, path)
    for name, path in targets["protected"].items():
        found[f"write {name}"] = partial(tries.write, path)
    worktree, secret = targets["worktree"], targets["secret_file"]
    found |= {
        "symbolic link to a secret": lambda: tries.through_link(worktree, secret, hard=False),
        "hard link to a secret": lambda: tries.through_link(worktree, secret, hard=True),
        "secret through /proc/1/root": lambda: tries.read(f"/proc/1/root{secret}"),
        "unmount what hides a secret": lambda: tries.unmount_and_read(secret),
        "mount in a new user namespace": tries.mount_something,
        "settings of the kernel": partial(tries.write_any, *_KERNEL_FILES),
        "memory of the kernel": partial(tries.open_any, "/dev/mem", "/proc/kcore", "/dev/kmsg", "/proc/kmsg"),
        "a disk": partial(tries.open_any, *_DISKS),
        "make a device": lambda: os.mknod("/tmp/.ringfence-probe-device", 0o60600, os.makedev(8, 0)),
        "open a file by its handle": lambda: tries.call("open_by_handle_at", -100, ctypes.create_string_buffer(16), 0),
    }
    return found


def _moves(targets: dict[str, Any]) -> dict[str, Try]:
    """What moves a file or a directory away for a moment, where other attempts may look for something just then."""
    paths = targets["protected"] | targets["immovable"]
    return {f"replace {name}": partial(tries.replace, path) for name, path in paths.items()}


def _processes(targets: dict[str, Any]) -> dict[str, Try]:
    found: dict[str, Try] = {}
    for name, pid in targets["processes"].items():
        found |= {
            f"signal {name}": partial(os.kill, pid, 0),
            f"signal {name} by descriptor": partial(tries.signal_by_descriptor, pid),
            f"trace {name}": partial(tries.ptrace, pid),
            f"memory of {name}": partial(tries.read_memory, pid),
            f"environment of {name}": partial(tries.read, f"/proc/{pid}/environ"),
            f"directory of {name}": partial(tries.read, f"/proc/{pid}/cwd/"),
            f"files of {name}": partial(tries.read, f"/proc/{pid}/root/etc"),
            f"namespace of {name}": partial(tries.enter_namespace, pid),
        }
    return found | {
        "privileges": tries.gains_privileges,
        "key rings of the kernel": lambda: tries.call("keyctl", 0, -3, 1),
        "bpf": lambda: tries.call("bpf", 0, ctypes.create_string_buffer(120), 120),
        "performance counters": lambda: tries.call("perf_event_open", ctypes.create_string_buffer(120), -1, 0, -1, 0),
        "type into the terminal": tries.type_into_terminal,
    }


def _programs(targets: dict[str, Any]) -> dict[str, Try]:
    found: dict[str, Try] = {}
    if targets["psql"]:
        found["psql to production"] = lambda: tries.speak_to_server(targets["psql"])
    if targets["git"]:
        found["git reaches the remote"] = lambda: tries.program(
            *(targets["git"], "-C", targets["worktree"], "ls-remote", "--exit-code", targets["remote"], "HEAD")
        )
    if shutil.which("docker"):
        found["docker"] = lambda: tries.program("docker", "version", env={"DOCKER_CONFIG": "/tmp"})
    return found


def _controls(targets: dict[str, Any]) -> dict[str, Try]:
    found: dict[str, Try] = {
        "work tree": lambda: tries.make_files(targets["worktree"]),
        "temporary files and home": tries.use_temporary_files,
        "ordinary programs": tries.ordinary_programs,
    }
    if targets["test_server"]:
        host, port = targets["test_server"]
        found["test database"] = partial(tries.tcp, host, port)
    if targets["own_network"]:
        found["listen on the test web port"] = lambda: tries.listen_and_connect(targets["web_port"])
        found["listen on any port"] = lambda: tries.listen_and_connect(0)
    return found


def main(arguments: list[str]) -> None:
    """Make every attempt, side by side but for moves, and print what became of it."""
    targets = json.loads(arguments[0])
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    printing = threading.Lock()

    def attempt(name: str, control: bool, act: Try) -> None:
        reached: bool | None = True
        try:
            got = act()
            detail = "" if got is None else str(got)
        except (OSError, subprocess.TimeoutExpired) as error:
            reached, detail = False, getattr(error, "strerror", None) or str(error) or type(error).__name__
        except BaseException as error:  # a fault of the attempt proves nothing
            reached, detail = None, f"{type(error).__name__}: {error}"
        with printing:
            line = {"name": name, "control": control, "reached": reached, "detail": detail[:160]}
            os.write(1, json.dumps(line).encode() + b"\n")

    def start(name: str, control: bool, act: Try) -> threading.Thread:
        thread = threading.Thread(target=attempt, args=(name, control, act), daemon=True)
        thread.start()
        return thread

    waiting = [
        start(name, control, act)
        for control, group in (
            (True, _controls(targets)),
            (False, _network(targets)),
            (False, _files(targets)),
            (False, _processes(targets)),
            (False, _programs(targets)),
        )
        for name, act in group.items()
    ]
    for thread in waiting:
        thread.join(_WAIT_S)
    moves = _moves(targets)
    for name, act in moves.items():
        start(name, False, act).join(_WAIT_S)
    os.write(1, json.dumps({"attempted": len(waiting) + len(moves)}).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
