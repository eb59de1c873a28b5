"""The first program inside a sandbox: it makes the listeners, locks the doors behind itself, and becomes the agent.

Started as ``python -I -S entrance.py ORDERS PROGRAM [ARGUMENT…]``, where ORDERS is one JSON object (`Orders`). It uses
the standard library only, and of this product only `landlock` and `seccomp`.

With ``init`` it is process 1 of a process namespace. It then stays: it collects orphans, and when the agent has ended
it counts and kills what the agent left behind and reports through the gate. When it ends, the kernel ends all the
rest. Nothing inside can reach the gate: it is closed in the agent, and this process cannot be traced.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from typing import Any, NoReturn, TypedDict

if __name__ == "__main__":  # -I -S leave the product off the path; its own files are found from this one
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from ringfence.sandbox import landlock, seccomp

CANNOT_START = 127
_PR_SET_DUMPABLE, _PR_CAP_AMBIENT, _CLEAR_ALL = 4, 47, 4
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_V3 = 0x20080522


class Orders(TypedDict):
    """What to do before the agent starts.

    ``gate`` is the descriptor that leads out, or None. ``listen`` are the addresses to listen on for the outside.
    ``tcp_connect``, ``names``, ``read`` and ``write`` are `landlock.Rules`, where ``landlock`` is set. ``unix`` says
    whether sockets of AF_UNIX may be made. ``account`` is the user and group to become, ``directory`` where to stand.
    """

    gate: int | None
    listen: list[tuple[str, int]]
    init: bool
    landlock: bool
    tcp_connect: list[int] | None
    names: list[str]
    read: list[str]
    write: list[str]
    unix: bool
    account: tuple[int, int] | None
    directory: str | None


class Ended(TypedDict):
    """How the agent ended, as process 1 saw it; ``late`` counts what it left running."""

    exit_status: int | None
    signal: int | None
    error: str | None
    late: int


def main(arguments: list[str]) -> NoReturn:
    """The command line, see the module."""
    orders: Orders = json.loads(arguments[0])
    command = arguments[1:]
    gate = None if orders["gate"] is None else socket.socket(fileno=orders["gate"])
    try:
        if gate is not None:
            os.set_inheritable(gate.fileno(), False)
            _hand_out_listeners(gate, orders["listen"])
        _lock(orders)
    except OSError as error:
        _fail(gate, f"the sandbox cannot be set up: {error.strerror or error}")
    if orders["init"]:
        _be_init(command, gate)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        _fail(gate, f"cannot start {command[0]}: {error.strerror}")


def _hand_out_listeners(gate: socket.socket, addresses: list[tuple[str, int]]) -> None:
    """Sockets made here listen in this network namespace; their descriptors go to the forwarder outside."""
    listeners = []
    for host, port in addresses:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from None
        listener.listen(128)
        listeners.append(listener)
    numbers = array.array("i", [listener.fileno() for listener in listeners])
    gate.sendmsg([b"l"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)] if listeners else [])
    for listener in listeners:
        listener.close()
    if gate.recv(1) != b"g":
        raise OSError(0, "nobody outside forwards what listens here")


def _lock(orders: Orders) -> None:
    if orders["account"] is not None:
        uid, gid = orders["account"]
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if orders["directory"] is not None:
        os.chdir(orders["directory"])
    _drop_capabilities()
    if orders["landlock"]:
        wanted = orders["tcp_connect"]
        rules = landlock.Rules(
            tcp_connect=None if wanted is None else tuple(wanted),
            names=tuple(orders["names"]),
            read=tuple(orders["read"]),
            write=tuple(orders["write"]),
        )
        landlock.restrict(rules)
    seccomp.restrict(unix=orders["unix"])


def _drop_capabilities() -> None:
    """None of them are left, nor come back: what is not permitted before ``exec`` is not permitted after it, because
    no new privileges are (prctl(2)). A kernel that refuses is noticed: privileges would be left."""
    landlock.no_new_privileges()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    number = _CAPSET.get(os.uname().machine)
    if number is None or libc.syscall(ctypes.c_long(number), header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "cannot give up capabilities")


def _be_init(command: list[str], gate: socket.socket | None) -> NoReturn:
    report, told = os.pipe2(os.O_CLOEXEC)
    # The agent is of the same user and must not trace this process; its own `exec` undoes it for itself.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    agent = os.fork()
    if agent == 0:
        _become(command, told)
    os.close(told)
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(sign, signal.SIG_IGN)
    _let_go_of_standard_files()
    with os.fdopen(report, "rb") as file:
        error = file.read(1000).decode("utf-8", "replace") or None
    status = _wait_for(agent)
    late = _end_the_rest()
    code = os.waitstatus_to_exitcode(status)
    ended: Ended = {
        "exit_status": code if code >= 0 else None,
        "signal": -code if code < 0 else None,
        "error": error,
        "late": late,
    }
    if gate is not None:
        with contextlib.suppress(OSError):
            gate.sendall(json.dumps(ended).encode() + b"\n")
    os._exit(code if code >= 0 else 128 - code)


def _become(command: list[str], told: int) -> NoReturn:
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(told, f"cannot start {command[0]}: {error.strerror}".encode())
    os._exit(CANNOT_START)


def _wait_for(agent: int) -> int:
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == agent:
            return status


def _end_the_rest() -> int:
    """Kill every other process of this namespace; how many were alive."""
    late = sum(_is_alive(int(name)) for name in os.listdir("/proc") if name.isdigit() and name != "1")
    while True:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return late


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        return False


def _let_go_of_standard_files() -> None:
    """The agent alone holds its input and output from here on: a pipe ends when the agent's side ends."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _fail(gate: socket.socket | None, why: str) -> NoReturn:
    ended: dict[str, Any] = {"exit_status": CANNOT_START, "signal": None, "error": why, "late": 0}
    if gate is not None:
        with contextlib.suppress(OSError):
            gate.sendall(json.dumps(ended).encode() + b"\n")
    print(f"ringfence: {why}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(CANNOT_START)


if __name__ == "__main__":
    main(sys.argv[1:])
