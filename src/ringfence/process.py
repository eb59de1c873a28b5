"""The only place that starts programs: absolute paths, a clean environment, a time limit, bounded memory.

Nothing goes through a shell, nothing is looked up on ``PATH`` by the caller's environment, and what a program prints
is kept only up to a limit (a program that prints a gigabyte must not cost a gigabyte: measured, ``capture_output``
of 1 GB takes 1.9 GB of memory).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ringfence import clock
from ringfence.errors import InternalError, RingfenceError
from ringfence.redact import one_line, redact

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CAPTURE_LIMIT_BYTES = 1 << 20
TICK_S = 0.1
_SAID_LINES = 6


class ProgramError(RingfenceError):
    """A program could not be started, failed, or ran out of time. Callers turn it into their own error."""

    def __init__(self, message: str, *, hint: str | None = None, exit_code: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.program_exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class Account:
    """An operating system account that a server runs under when the caller is root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How a program ended. ``stdout`` and ``stderr`` hold the last `CAPTURE_LIMIT_BYTES` of each at most."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float


def account(name: str) -> Account | None:
    """The account of that name, or None where the machine has no such entry."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment that holds nothing of the caller's but what is named in ``extra``.

    Messages are in English (``LC_MESSAGES=C``) because some are read, text is UTF-8.
    """
    return {
        "PATH": SYSTEM_PATH,
        "LC_ALL": "C.UTF-8",
        "LC_MESSAGES": "C",
        "HOME": "/nonexistent",
        **(extra or {}),
    }


class _Tail:
    """Keeps the last bytes of a stream and drops the rest."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._limit = stream, limit
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        while chunk := self._stream.read1(1 << 16):  # type: ignore[attr-defined]  # IO[bytes] of a pipe is buffered
            self._kept += chunk
            if len(self._kept) > 2 * self._limit:
                del self._kept[: -self._limit]
        self._stream.close()

    def text(self, timeout_s: float) -> str:
        # A daemon that the program left behind may keep the pipe open: its output is not waited for.
        self._thread.join(timeout_s)
        return bytes(self._kept[-self._limit :]).decode("utf-8", "replace")


def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    stdin_from: IO[bytes] | None = None,
    stdout_to: IO[bytes] | None = None,
    run_as: Account | None = None,
    check: bool = True,
    on_tick: Callable[[], None] | None = None,
) -> Completed:
    """Run a program to its end and return what it printed.

    ``timeout_s`` is mandatory: nothing may hang. ``on_tick`` is called about ten times a second while waiting, for
    progress. ``stdout_to`` is an open file that gets every byte the program prints, where a text of limited length will
    not do (file names are bytes, and a list of them may be long); ``stdin_from`` is an open file that it reads.
    ``run_as`` needs root. With ``check`` a non-zero exit raises. Any exception, Ctrl-C too, first ends the program.
    Raises `ProgramError`.
    """
    line = tuple(str(a) for a in argv)
    if not Path(line[0]).is_absolute():
        raise InternalError(f"program path is not absolute: {line[0]!r}")
    started = clock.monotonic_s()
    given = subprocess.PIPE if stdin is not None else stdin_from or subprocess.DEVNULL
    child = _start(line, env=env, cwd=cwd, stdin=given, stdout_to=stdout_to, run_as=run_as)
    try:  # from the first moment: whoever presses Ctrl-C may be fast
        assert child.stderr is not None
        out = _Tail(child.stdout, CAPTURE_LIMIT_BYTES) if child.stdout is not None else None
        err = _Tail(child.stderr, CAPTURE_LIMIT_BYTES)
        if stdin is not None:
            _feed(child, stdin)
        _wait(child, started + timeout_s, on_tick)
    except subprocess.TimeoutExpired:
        _end(child)
        raise ProgramError(
            f"{Path(line[0]).name} did not end within {clock.seconds_text(timeout_s)}; it was stopped"
        ) from None
    except BaseException:
        _end(child)
        raise
    done = Completed(
        argv=line,
        exit_code=child.returncode,
        stdout=out.text(5) if out is not None else "",
        stderr=err.text(5),
        seconds=clock.monotonic_s() - started,
    )
    if check and done.exit_code != 0:
        raise ProgramError(failure_text(done), exit_code=done.exit_code)
    return done


def failure_text(done: Completed) -> str:
    """``pg_dump ended with exit status 1: last lines of what it said``, on one line.

    What went wrong first may stand before the last lines: then its line comes first.
    """
    said = [s.strip() for s in (done.stderr or done.stdout).strip().splitlines() if s.strip()]
    first = next((s for s in said[:-_SAID_LINES] if "error" in s.lower()), None)
    told = said[-_SAID_LINES:] if first is None else [first, "…", *said[2 - _SAID_LINES :]]
    how = (
        f"was killed by signal {-done.exit_code}" if done.exit_code < 0 else f"ended with exit status {done.exit_code}"
    )
    return f"{Path(done.argv[0]).name} {how}" + (f": {' | '.join(told)}" if told else "")


def _start(
    line: tuple[str, ...],
    *,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    stdin: IO[bytes] | int,
    stdout_to: IO[bytes] | None,
    run_as: Account | None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            line,
            env=dict(env) if env is not None else clean_environment(),
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE if stdout_to is None else stdout_to,
            stderr=subprocess.PIPE,
            start_new_session=True,
            user=run_as.uid if run_as else None,
            group=run_as.gid if run_as else None,
            extra_groups=[] if run_as else None,
        )
    except OSError as error:
        where = f" in {cwd}" if cwd is not None and not cwd.is_dir() else ""
        raise ProgramError(f"cannot start {line[0]}{where}: {error.strerror or error}") from error


def _feed(child: subprocess.Popen[bytes], data: bytes) -> None:
    def write() -> None:
        assert child.stdin is not None
        try:
            with child.stdin as pipe:
                pipe.write(data)
        except BrokenPipeError:
            return  # the program ended without reading everything; its exit status says whether that was right

    threading.Thread(target=write, daemon=True).start()


def _wait(child: subprocess.Popen[bytes], deadline: float, on_tick: Callable[[], None] | None) -> None:
    while True:
        left = deadline - clock.monotonic_s()
        if left <= 0:
            raise subprocess.TimeoutExpired(child.args, 0)
        try:
            child.wait(min(left, TICK_S) if on_tick else left)
            return
        except subprocess.TimeoutExpired:
            if on_tick is None:
                raise
            on_tick()


def _end(child: subprocess.Popen[bytes], grace_s: float = 5) -> None:
    try:
        _signal_group(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace_s)
    finally:
        # Always: what the program started may have ignored the first signal, and a second Ctrl-C cuts the wait short.
        _signal_group(child, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace_s)


def _signal_group(child: subprocess.Popen[bytes], sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, sign)


def stream(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdin: IO[bytes] | None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a long program whose combined output the caller reads from ``stdout`` as it comes.

    For agents: a session of their own, standard error joined to standard output. Raises `ProgramError`.
    """
    line = tuple(str(a) for a in argv)
    try:
        return subprocess.Popen(
            line,
            env=dict(env),
            cwd=cwd,
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
    except OSError as error:
        raise ProgramError(f"cannot start {line[0]}: {error.strerror or error}") from error


def is_alive(pid: int) -> bool:
    """Whether a process of that number runs, whoever owns it. One that ended and was not collected does not: where
    nobody collects orphans (a container whose first process is no init) it stays in the table for ever."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:1]
    except OSError:
        return True
    return state not in (["Z"], ["X"])


def working_directory(pid: int) -> Path | None:
    """Where a process stands (``/proc``), or None where that cannot be seen."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def standing_in(directory: Path, *, uid: int) -> list[int] | None:
    """The processes of an account whose working directory is this one or below it; None where that cannot be told."""
    found = []
    try:
        entries = [e for e in Path("/proc").iterdir() if e.name.isdigit()]
    except OSError:
        return None
    for entry in entries:
        try:
            if entry.stat().st_uid == uid and Path(os.readlink(entry / "cwd")).is_relative_to(directory):
                found.append(int(entry.name))
        except FileNotFoundError:
            continue  # it ended
        except OSError:
            return None
    return found


def describe(pid: int) -> str:
    """``1234 (postgres -D /data)``: a process for a message; only the number where nothing more can be seen.

    Anybody on the machine may choose these words: they are put on one line and passwords in them are masked.
    """
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return str(pid)
    words = raw.replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return f"{pid} ({redact(one_line(words))[:120]})" if words else str(pid)


def attach(
    argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a program on the caller's own terminal, input and output, for a person. Raises `ProgramError`."""
    line = tuple(str(a) for a in argv)
    try:
        return subprocess.Popen(line, env=dict(env), cwd=cwd, pass_fds=tuple(pass_fds))
    except OSError as error:
        raise ProgramError(f"cannot start {line[0]}: {error.strerror or error}") from error
