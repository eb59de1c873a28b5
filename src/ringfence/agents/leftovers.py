"""What is done where an agent has ended or stopped its own supervisor: find what is left by other means, and end it.

A process with the agent's own user id can do that to a supervisor outside of a sandbox. What is found this way is no
proof of completeness, so the result of such an agent always says that it is not certain.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from ringfence import clock
from ringfence.agents import supervisor

_RUN = "RINGFENCE_RUN"
_MARKS = (_RUN, "RINGFENCE_AGENT")
_SUPERVISOR_S = 3.0


def end_all(supervisor_pid: int, environment: Mapping[str, str]) -> int:
    """Kill what stands below a supervisor that does not answer, and what carries the agent's mark; how many."""
    ended = supervisor.end_below(supervisor_pid)
    marks = [f"{name}={environment[name]}".encode() for name in _MARKS if name in environment]
    if len(marks) == len(_MARKS):
        ended += _end_marked(marks)
    return ended


def end_run(run_id: str, *, patience_s: float = supervisor.PATIENCE_S) -> bool:
    """Wait until nothing is left of the agents of a run whose tool was killed; whether that was reached.

    Their supervisor ends them when the tool dies, and is the last to go; it has a moment for that, then what is left
    is killed. A process that took the mark out of its environment and outlived its supervisor is not found; in a
    sandbox with processes of its own there is none.
    """
    marks = [f"{_RUN}={run_id}".encode()]
    until = clock.monotonic_s() + _SUPERVISOR_S
    while _marked(marks) and clock.monotonic_s() < until:
        clock.pause(0.02)
    _end_marked(marks, patience_s=patience_s)
    return not _marked(marks)


def _marked(marks: list[bytes]) -> list[supervisor.Process]:
    mine = os.getpid()
    return [p for p in _processes() if p.alive and p.pid != mine and _carries(p.pid, marks)]


def _end_marked(marks: list[bytes], *, patience_s: float = supervisor.PATIENCE_S) -> int:
    """Kill every process whose environment at its start held all the marks, until none is found any more."""
    until, ended = clock.monotonic_s() + patience_s, 0
    while clock.monotonic_s() < until:
        marked = _marked(marks)
        if not marked:
            break
        ended += sum(supervisor.send(p, signal.SIGKILL) for p in marked)
        clock.pause(0.01)
    return ended


def _processes() -> list[supervisor.Process]:
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    return [found for pid in pids if (found := supervisor.look_at(pid)) is not None]


def _carries(pid: int, marks: list[bytes]) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = set(file.read(4 << 20).split(b"\0"))
    except OSError:
        return False
    return all(mark in variables for mark in marks)
