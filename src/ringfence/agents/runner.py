"""Runs one agent to its end: prompt in, output through the filter, a time limit, and nothing of it left afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from ringfence import clock, process
from ringfence.agents import leftovers, supervisor
from ringfence.agents.model import AgentResult, AgentSpec, Enclosed, Enclosure, Ended, Outcome
from ringfence.agents.output import OutputFilter
from ringfence.agents.record import OutputFile
from ringfence.wording import counted

GRACE_S = 10.0
_CHUNK_BYTES = 1 << 16
_TICK_S = 0.2
_MOST_NAMED = 10
_AFTER_REPORT_S = 2.0
_SUPERVISOR_LATE_S = supervisor.PATIENCE_S + 5.0


@dataclass(kw_only=True)
class _Watch:
    """What is known of a running agent. ``ended_by`` is why the tool ended it, if it did."""

    child: subprocess.Popen[bytes]
    control: socket.socket
    environment: Mapping[str, str] = field(repr=False)
    report: supervisor.Report | None = None
    ended_by: str | None = None
    timed_out: bool = False
    output_bytes: int = 0
    heard: bytearray = field(default_factory=bytearray)
    refused: tuple[str, ...] = ()


def run_agent(
    spec: AgentSpec,
    *,
    environment: Mapping[str, str],
    prompt: str | None,
    worktree: Path,
    output: OutputFile,
    on_text: Callable[[str], None],
    secrets: Iterable[str] = (),
    stop: Callable[[], str | None] | None = None,
    grace_s: float = GRACE_S,
    enclosure: Enclosure | None = None,
) -> AgentResult:
    """Run an agent and return how it ended; the output file is closed when this returns or raises.

    ``on_text`` gets the filtered output, whole lines, without the limit that the file has. ``stop`` is asked about five
    times a second; a reason ends the agent at once. ``grace_s`` is what an agent has between SIGTERM and SIGKILL when
    its time is up. ``enclosure`` is what holds it in. An exception, Ctrl-C too, first ends the agent and everything
    below it.
    """
    started_at, started_s = clock.utc_now(), clock.monotonic_s()
    filter_ = OutputFilter(secrets)
    program = resolve_program(spec.command, environment.get("PATH", ""), worktree)
    watch: _Watch | None = None
    reason: str | None = program if isinstance(program, str) else None
    try:
        if isinstance(program, Path):
            watch, reason = _run(
                (str(program), *spec.command[1:]),
                spec=spec,
                environment=environment,
                prompt=prompt,
                worktree=worktree,
                output=output,
                filter_=filter_,
                on_text=on_text,
                stop=stop,
                grace_s=grace_s,
                enclosure=enclosure,
            )
    except BaseException as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else f"the tool failed: {type(error).__name__}"
        output.close(why, seconds=clock.monotonic_s() - started_s)
        raise
    seconds = clock.monotonic_s() - started_s
    outcome, exit_code, reasons = verdict(watch, reason, spec.timeout_s)
    refused = tuple(dict.fromkeys(watch.refused)) if watch else ()
    if refused:
        more = f" and {len(refused) - _MOST_NAMED} more" if len(refused) > _MOST_NAMED else ""
        reasons = (*reasons, f"the sandbox refused connections to {', '.join(refused[:_MOST_NAMED])}{more}")
    written = output.close(outcome, seconds=seconds, reasons=reasons)
    return AgentResult(
        name=spec.name,
        command=spec.command,
        outcome=outcome,
        exit_code=exit_code,
        started_at=clock.iso(started_at),
        ended_at=clock.iso(clock.utc_now()),
        seconds=seconds,
        output_file=written.path,
        output_bytes=watch.output_bytes if watch else 0,
        truncated=written.left_out_bytes > 0 or filter_.left_out_chars > 0,
        processes_ended=watch.report["late"] if watch and watch.report else 0,
        all_ended=watch is None or (watch.report is not None and watch.report["complete"]),
        reasons=(*reasons, *written.reasons),
        attempt=spec.attempt,
        refused=refused,
    )


def resolve_program(command: tuple[str, ...], path: str, worktree: Path) -> Path | str:
    """The program of a command: the absolute path, or why there is none.

    Looked up as the agent itself would look, on its own ``PATH`` and from the work tree, not as the tool would. An
    agent before this one may have put a program there; it then runs as an agent does, never as the tool.
    """
    if not command or not command[0]:
        return "its command is empty"
    name = command[0]
    if "\0" in "".join(command):
        return "its command holds a NUL character"
    if "/" in name:
        candidate = worktree / name
        if not candidate.is_file():
            return f"its program does not exist: {candidate}"
        return candidate if os.access(candidate, os.X_OK) else f"its program is not executable: {candidate}"
    places = os.pathsep.join(str(worktree / entry) for entry in path.split(os.pathsep) if entry)
    found = shutil.which(name, path=places) if places else None
    return Path(found) if found else f"its program was not found on PATH: {name}"


def verdict(watch: _Watch | None, reason: str | None, timeout_s: float) -> tuple[Outcome, int | None, tuple[str, ...]]:
    """What the supervisor's report means: outcome, exit status (negative for a signal), reasons."""
    if watch is None:
        return "not-started", None, (reason or "it could not be started",)
    report = watch.report
    if report is None:
        lost = "its supervisor was ended from outside: what the agent left running is not known"
        outcome: Outcome = "timed-out" if watch.timed_out else "failed"
        return outcome, None, tuple(filter(None, (watch.ended_by, lost)))
    if report["error"]:
        return "not-started", None, (report["error"],)
    exit_code = report["exit_status"] if report["signal"] is None else -report["signal"]
    reasons = [watch.ended_by] if watch.ended_by else []
    if report["late"]:
        count = report["late"]
        left = counted(count, "process that it had started was", "processes that it had started were")
        reasons.append(f"{left} still running and had to be killed")
    if not report["complete"]:
        reasons.append("it is not certain that all of its processes are gone")
    if watch.timed_out or report["stopped"] == "time":
        return "timed-out", exit_code, (f"it did not end within {clock.seconds_text(timeout_s)}", *reasons)
    if report["stopped"] is not None and not watch.ended_by:
        reasons.insert(0, "its supervisor was told to stop by somebody else than the tool")
    if report["signal"] is not None:
        reasons.insert(0, f"it was ended by signal {report['signal']} ({_signal_name(report['signal'])})")
    elif exit_code is None:
        reasons.insert(0, "how it ended is not known")
    elif exit_code != 0:
        reasons.insert(0, f"it ended with exit status {exit_code}")
    good = exit_code == 0 and report["stopped"] is None and not watch.ended_by
    return "done" if good else "failed", exit_code, tuple(reasons)


def _run(
    command: tuple[str, ...],
    *,
    spec: AgentSpec,
    environment: Mapping[str, str],
    prompt: str | None,
    worktree: Path,
    output: OutputFile,
    filter_: OutputFilter,
    on_text: Callable[[str], None],
    stop: Callable[[], str | None] | None,
    grace_s: float,
    enclosure: Enclosure | None,
) -> tuple[_Watch | None, str | None]:
    """Start, watch, end. Returns what was seen, or why nothing was started."""

    def pass_on(text: str) -> None:
        if text:
            output.write(text)
            on_text(text)

    with contextlib.ExitStack() as stack:
        near, far = socket.socketpair()
        stack.enter_context(near)
        enclosed: Enclosed | None = None
        if enclosure is not None:
            enclosed = stack.enter_context(enclosure.enter(command, environment=environment, directory=worktree))
        with far, _prompt_file(prompt) as stdin:
            try:
                child = process.stream(
                    _supervised(command, enclosed, far.fileno(), grace_s, spec.timeout_s),
                    env=enclosed.environment if enclosed else environment,
                    cwd=worktree,
                    stdin=stdin,
                    pass_fds=[far.fileno(), *(enclosed.pass_fds if enclosed else ())],
                )
            except process.ProgramError as error:
                return None, error.message
        watch = _Watch(child=child, control=near, environment=environment)
        try:
            problem = enclosed.begin() if enclosed else None
            if problem is not None:
                return None, problem
            chunks = _chunks(watch, timeout_s=spec.timeout_s, stop=stop, grace_s=grace_s)
            with contextlib.closing(chunks):
                for data in chunks:
                    watch.output_bytes += len(data)
                    pass_on(filter_.feed(data))
            pass_on(filter_.finish())
        finally:
            _end(watch)
        if enclosed is not None:
            watch.report = seen_from_inside(watch.report, enclosed.ended(), enclosed.processes)
            watch.refused = enclosed.refused()
    return watch, None


def seen_from_inside(
    report: supervisor.Report | None, ended: Ended | None, processes: bool
) -> supervisor.Report | None:
    """The supervisor's report of a sandbox as one of the agent in it.

    Where the sandbox as a whole was ended, what the supervisor killed are its own parts, not what the agent left.
    """
    if report is None or not processes:
        return report
    if ended is None:
        return {**report, "late": 0}
    return {**report, **ended}


def _supervised(
    command: tuple[str, ...], enclosed: Enclosed | None, control: int, grace_s: float, timeout_s: float
) -> list[str]:
    """The supervisor's command line. Its own limit is the second line: a terminal that blocks must not stretch time."""
    limit_s = timeout_s + grace_s + 5
    wrapped, pass_fds = (enclosed.processes, enclosed.pass_fds) if enclosed else (False, ())
    return [
        *(sys.executable, "-I", "-S", str(Path(supervisor.__file__).resolve())),
        *(str(control), str(grace_s), str(limit_s), "1" if wrapped else "0", ",".join(map(str, pass_fds)), "--"),
        *(enclosed.command if enclosed else command),
    ]


@contextlib.contextmanager
def _prompt_file(prompt: str | None) -> Iterator[IO[bytes] | None]:
    """The prompt as a file without a name: the agent may read it slowly, twice or not at all, and nothing waits."""
    if prompt is None:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        file.write(prompt.encode("utf-8", "replace"))
        file.flush()
        file.seek(0)
        yield file


def _chunks(
    watch: _Watch, *, timeout_s: float, stop: Callable[[], str | None] | None, grace_s: float
) -> Generator[bytes, None, None]:
    """What the agent prints, until its supervisor has reported and the pipe is empty.

    A process that got hold of the pipe and is out of reach does not keep this waiting, nor does a supervisor that the
    agent has stopped.
    """
    assert watch.child.stdout is not None
    pipe, started_s = watch.child.stdout.fileno(), clock.monotonic_s()
    os.set_blocking(pipe, False)
    watch.control.setblocking(False)
    over_at: float | None = None  # when waiting for the rest ends
    look_at = started_s  # when the time limit and ``stop`` are looked at next
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        selector.register(watch.control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(_TICK_S):
                if key.fd == pipe:
                    data = os.read(pipe, _CHUNK_BYTES)
                    if data:
                        yield data
                    else:
                        selector.unregister(pipe)
                elif not _listen(watch):
                    selector.unregister(watch.control)
                    if watch.report is None:
                        _do_its_work(watch)
                    over_at = clock.monotonic_s() + _AFTER_REPORT_S
            now = clock.monotonic_s()
            if over_at is None and now >= look_at:
                look_at = now + _TICK_S
                _give_orders(watch, now - started_s, timeout_s, stop)
                if now - started_s > timeout_s + grace_s + _SUPERVISOR_LATE_S:
                    return
            elif over_at is not None and (now > over_at or pipe not in selector.get_map()):
                return


def _listen(watch: _Watch) -> bool:
    """Read from the supervisor; False when it has closed its end."""
    try:
        data = watch.control.recv(4096)
    except BlockingIOError:
        return True
    except OSError:
        data = b""
    watch.heard += data
    if not data:
        watch.report = _parse(bytes(watch.heard))
    return bool(data)


def _parse(said: bytes) -> supervisor.Report | None:
    try:
        report = json.loads(said)
    except ValueError:
        return None
    if not isinstance(report, dict) or set(report) != supervisor.Report.__required_keys__:
        return None
    return cast(supervisor.Report, report)


def _give_orders(watch: _Watch, seconds: float, timeout_s: float, stop: Callable[[], str | None] | None) -> None:
    if seconds > timeout_s and not watch.timed_out:
        watch.timed_out = True
        _tell(watch, b"t")
    elif watch.ended_by is None and not watch.timed_out and stop is not None and (reason := stop()):
        watch.ended_by = reason
        _tell(watch, b"k")


def _tell(watch: _Watch, order: bytes) -> None:
    """Give the supervisor an order, and wake it where the agent has stopped it (SIGSTOP)."""
    with contextlib.suppress(OSError):
        watch.control.send(order)
        watch.child.send_signal(signal.SIGCONT)


def _end(watch: _Watch) -> None:
    """Whatever happened, end what is left: ask the supervisor, and where it does not answer, do its work."""
    assert watch.child.stdout is not None
    try:
        if watch.report is None:
            _tell(watch, b"k")
            _wait_for_report(watch)
        if watch.report is None:
            _do_its_work(watch)
        with contextlib.suppress(subprocess.TimeoutExpired):
            watch.child.wait(_SUPERVISOR_LATE_S)
    finally:
        watch.control.close()  # where even this was interrupted, the end of the socket still ends the agent
        watch.child.stdout.close()


def _do_its_work(watch: _Watch) -> None:
    """End what is left of an agent whose supervisor is gone or does not answer."""
    leftovers.end_all(watch.child.pid, watch.environment)
    watch.child.kill()


def _wait_for_report(watch: _Watch) -> None:
    """Wait as long as the supervisor may need, without reading what the agent prints any more."""
    watch.control.settimeout(_SUPERVISOR_LATE_S)
    with contextlib.suppress(OSError):
        while data := watch.control.recv(4096):
            watch.heard += data
    watch.report = _parse(bytes(watch.heard))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
