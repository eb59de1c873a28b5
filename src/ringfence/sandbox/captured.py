"""One command in a sandbox, run to its end, with what it printed: for the probes, and for what is tried on purpose."""

from __future__ import annotations

import os
import selectors
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ringfence import clock, process
from ringfence.sandbox.launch import Sandbox


@dataclass(frozen=True, kw_only=True)
class Captured:
    """How a command ended in a sandbox. ``problem`` is why the sandbox could not be made; the rest is then open."""

    exit_code: int
    printed: bytes
    problem: str | None


def run(
    sandbox: Sandbox, command: Sequence[str], *, environment: Mapping[str, str], directory: Path, limit_s: float
) -> Captured:
    """Run a command as an agent would be run, without input; it has ended when this returns.

    Raises NotPossibleError where this machine cannot make the sandbox, ProgramError where nothing can be started.
    """
    with sandbox.enter(command, environment=environment, directory=directory) as enclosed:
        child = process.stream(
            enclosed.command, env=enclosed.environment, cwd=Path("/"), stdin=None, pass_fds=enclosed.pass_fds
        )
        try:
            problem = enclosed.begin()
        finally:
            printed = _read(child, limit_s)
    return Captured(exit_code=child.returncode, printed=printed, problem=problem)


def _read(child: subprocess.Popen[bytes], limit_s: float) -> bytes:
    """What a program prints, up to its end or the limit of time; it has ended when this returns."""
    assert child.stdout is not None
    until, said = clock.monotonic_s() + limit_s, bytearray()
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while (left := until - clock.monotonic_s()) > 0:
                if not selector.select(left):
                    break
                data = os.read(child.stdout.fileno(), 65536)
                if not data:
                    break
                said += data
    finally:
        child.kill() if clock.monotonic_s() >= until else None
        child.stdout.close()
        child.wait()
    return bytes(said)
