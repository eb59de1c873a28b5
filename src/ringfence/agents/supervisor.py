"""The process between the tool and an agent: when the agent ends, everything it started ends too.

Started as ``python -I -S supervisor.py CONTROL_FD GRACE_S LIMIT_S WRAPPED FD,… -- PROGRAM [ARGUMENT…]`` in the agent's
directory and environment. The descriptors are the program's; WRAPPED is 1 where the program is a sandbox around the
agent, which must outlive a polite end of what is in it. It stands apart from the rest of the product: it uses the
standard library only, starts a program itself (`process.py` cannot: the work is done in a process of its own), and
nothing that lies in the work tree or in ``PYTHON*`` variables is imported (``-I``), nor a ``.pth`` file of an
environment (``-S``).

Why it exists: ending a process group leaves those that called setsid() (measured: the late write happened). This
process is a *child subreaper*: whatever loses its parent below it becomes its child, however often it forked. Nothing
is left when waitpid() says that there is no child, and that is the proof, not a list of processes.

The control socket: ``t`` means the time is up (SIGTERM to all, after the grace period SIGKILL), ``k`` means now; its
end means that the tool died, which is as ``k``. At the end one line of JSON is written to it, see `Report`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple, TypedDict

PATIENCE_S = 10.0
"""How long killed processes may take to disappear before the report says that some are left."""

_TICK_S = 0.1
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# Fields of /proc/<pid>/stat after the name, see proc_pid_stat(5).
_STATE, _PARENT, _THREADS, _STARTED = 0, 1, 17, 19


class Report(TypedDict):
    """What the tool is told: how the agent ended (one of ``exit_status``, ``signal``, ``error``), and what was left.

    ``stopped`` is ``time``, ``told`` (``k`` or a signal) or ``gone`` (the tool died), None where the agent ended first.
    ``late`` counts the processes that were killed besides the agent itself; ``complete`` says that none is left.
    """

    exit_status: int | None
    signal: int | None
    error: str | None
    stopped: str | None
    late: int
    complete: bool


class Process(NamedTuple):
    """A process as ``/proc`` shows it. ``started`` tells it from a later one with the same number."""

    pid: int
    parent: int
    started: int
    alive: bool


def look_at(pid: int) -> Process | None:
    """One process, or None where there is none of that number.

    A zombie with more than one thread is alive: its first thread has ended, the others run on.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        alive = fields[_STATE] not in (b"Z", b"X") or int(fields[_THREADS]) > 1
        return Process(pid, int(fields[_PARENT]), int(fields[_STARTED]), alive)
    except (OSError, IndexError, ValueError):
        return None


def descendants(root: int) -> list[Process]:
    """All processes below ``root`` at this moment, living or not; empty where there is no ``/proc``."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    below: dict[int, list[Process]] = {}
    for process in filter(None, map(look_at, pids)):
        below.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [root]
    while waiting:
        children = below.pop(waiting.pop(), [])
        found += children
        waiting += [child.pid for child in children]
    return found


def send(process: Process, sign: int) -> bool:
    """Signal exactly this process, not one that has its number by now; False where it is gone or not ours to end."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    except (OSError, AttributeError):
        descriptor = -1
    try:
        now = look_at(process.pid)
        if now is None or now.started != process.started:
            return False
        if descriptor >= 0:
            signal.pidfd_send_signal(descriptor, sign)
        else:
            os.kill(process.pid, sign)
        return True
    except OSError:
        return False
    finally:
        if descriptor >= 0:
            os.close(descriptor)


class Supervisor:
    """One agent and everything below it. Owns the right to reap: nothing else in this process waits for children."""

    def __init__(
        self, control: socket.socket, *, grace_s: float, limit_s: float, wrapped: bool, pass_fds: tuple[int, ...]
    ) -> None:
        self._control = control
        self._wrapped, self._pass_fds = wrapped, pass_fds
        self._grace_s = grace_s
        self._time_up = time.monotonic() + limit_s
        self._kill_at: float | None = None
        self._stopped: str | None = None
        self._agent = 0
        self._status: int | None = None
        self._ended: set[tuple[int, int]] = set()
        self._subreaper = _prctl(_PR_SET_CHILD_SUBREAPER, 1) and os.path.exists("/proc/self/stat")

    def run(self, command: list[str]) -> Report:
        """Start the agent, wait for its end or an order, end what is left."""
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(sign, lambda *_: self._stop("told"))
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # the second line; the end of the control socket is the first
        error = self._start(command)
        _let_go_of_standard_files()
        if error is None:
            self._watch()
        complete = self._end_all()
        ended = None if self._status is None else os.waitstatus_to_exitcode(self._status)
        return {
            "exit_status": ended if ended is not None and ended >= 0 else None,
            "signal": -ended if ended is not None and ended < 0 else None,
            "error": error,
            "stopped": self._stopped,
            "late": len(self._ended),
            "complete": complete,
        }

    def _start(self, command: list[str]) -> str | None:
        mine = os.getpid()

        def tie() -> None:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != mine:
                os._exit(127)

        try:
            child = subprocess.Popen(command, start_new_session=True, preexec_fn=tie, pass_fds=self._pass_fds)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return f"cannot start {command[0]}: {getattr(error, 'strerror', None) or error}"
        self._agent = child.pid
        for descriptor in self._pass_fds:
            os.close(descriptor)
        child.returncode = 0  # `_reap` waits for it; Popen must not
        return None

    def _watch(self) -> None:
        """Until the agent itself has ended, or has to."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        agent = -1
        with contextlib.suppress(OSError, AttributeError):
            agent = os.pidfd_open(self._agent)
            poll.register(agent, select.POLLIN)
        while True:
            self._reap()
            if self._status is not None:
                break
            now = time.monotonic()
            if self._stopped is None and now >= self._time_up:
                self._stop("time")
            if self._kill_at is not None and now >= self._kill_at:
                break
            ready = [descriptor for descriptor, _ in poll.poll(_TICK_S * 1000)]
            if self._control.fileno() in ready and not self._obey():
                poll.unregister(self._control)
        if agent >= 0:
            os.close(agent)

    def _obey(self) -> bool:
        """Read the orders; False when there will be no more."""
        try:
            orders = self._control.recv(64)
        except BlockingIOError:
            return True
        except OSError:
            orders = b""
        if not orders:
            self._stop("gone")
        elif b"k" in orders:
            self._stop("told")
        elif b"t" in orders and self._stopped is None:
            self._stop("time")
        return bool(orders)

    def _stop(self, why: str) -> None:
        self._stopped = self._stopped or why
        if why != "time":
            self._kill_at = 0.0
            return
        self._kill_at = time.monotonic() + self._grace_s
        if not self._subreaper:
            self._signal_group(signal.SIGTERM)
        for process in descendants(os.getpid()) if self._subreaper else ():
            if not (self._wrapped and process.pid == self._agent):
                send(process, signal.SIGTERM)

    def _reap(self) -> bool:
        """Take the status of every child that has ended; True when there is no child at all any more."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self._agent:
                self._status = status

    def _end_all(self) -> bool:
        """Kill until there is no child; whether that was reached. Without a subreaper it can never be known."""
        until = time.monotonic() + PATIENCE_S
        if not self._subreaper:
            self._signal_group(signal.SIGKILL)
        while not self._reap():
            if time.monotonic() > until:
                return False
            self._kill_children()
            for process in descendants(os.getpid()):
                self._kill(process)
            time.sleep(0.002)
        return self._subreaper

    def _kill_children(self) -> None:
        """Kill the direct children over and over for a moment.

        For a process that forks and leaves, again and again: it is gone before a look through all of ``/proc`` is done.
        """
        path = f"/proc/self/task/{os.getpid()}/children"
        with contextlib.suppress(OSError):
            for _ in range(20):
                with open(path, "rb") as file:
                    children = [int(word) for word in file.read().split()]
                for process in filter(None, map(look_at, children)):
                    self._kill(process)
                if self._reap():
                    return

    def _kill(self, process: Process) -> None:
        if process.alive and send(process, signal.SIGKILL) and process.pid != self._agent:
            self._ended.add((process.pid, process.started))

    def _signal_group(self, sign: int) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._agent, sign)


def end_below(root: int, *, patience_s: float = PATIENCE_S, sleep: Callable[[float], None] = time.sleep) -> int:
    """Kill everything below a process that does not do it itself (a stopped supervisor); how many were killed."""
    ended: set[tuple[int, int]] = set()
    until, quiet = time.monotonic() + patience_s, 0
    while quiet < 3 and time.monotonic() < until:
        living = [process for process in descendants(root) if process.alive]
        quiet = 0 if living else quiet + 1
        ended |= {(p.pid, p.started) for p in living if send(p, signal.SIGKILL)}
        sleep(0.005)
    return len(ended)


def _prctl(option: int, value: int) -> bool:
    """Linux's prctl; False where the system has none (macOS)."""
    try:
        words = [ctypes.c_ulong(number) for number in (value, 0, 0, 0)]
        return bool(ctypes.CDLL(None).prctl(option, *words) == 0)
    except (OSError, AttributeError):
        return False


def _let_go_of_standard_files() -> None:
    """The agent alone holds its input and output from here on: the pipe ends when the agent's side ends."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def main(arguments: list[str]) -> None:
    """The command line, see the module."""
    control = socket.socket(fileno=int(arguments[0]))
    control.setblocking(False)
    os.set_inheritable(control.fileno(), False)
    supervisor = Supervisor(
        control,
        grace_s=float(arguments[1]),
        limit_s=float(arguments[2]),
        wrapped=arguments[3] == "1",
        pass_fds=tuple(int(word) for word in arguments[4].split(",") if word),
    )
    report = supervisor.run(arguments[6:])
    with contextlib.suppress(OSError):
        control.setblocking(True)
        control.sendall(json.dumps(report).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
