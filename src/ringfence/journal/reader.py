"""Reading journals: one run, all runs, and what is wrong with a journal that is not whole.

A damaged journal is never taken for a run that does not exist: it is listed, it is a HALT, and it stands in the way
until a person resolves it.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
from pathlib import Path

from ringfence import clock, files, process
from ringfence.errors import UsageError
from ringfence.journal import chain
from ringfence.journal.model import RUN_ID, JournalError, Process, Resolution, RunState
from ringfence.journal.replay import replay

RUNS_NAME = "runs"
JOURNAL_NAME = "journal.jsonl"
HEAD_NAME = "journal.head"
RESOLUTION_NAME = "damage-resolved.json"
_MOST_BYTES = 256 << 20
_WRITE_S = 0.05


def run_directory(state: Path, run_id: str) -> Path:
    """Where a run is kept; `UsageError` where there is no such run."""
    directory = state / RUNS_NAME / run_id
    if not RUN_ID.fullmatch(run_id) or not directory.is_dir():
        raise UsageError(f"there is no run {run_id[:80]!r}", hint="'ringfence runs' lists the runs")
    return directory


def read_run(state: Path, run_id: str) -> RunState:
    """One run. Raises `UsageError` where there is none of that id, `JournalError` where its journal is damaged."""
    directory = run_directory(state, run_id)
    found = read_chain(directory)
    try:
        run = replay(run_id, found.events, alive=True, torn=bool(found.torn))
        if run.process is not None and not is_alive(run.process):
            run = replay(run_id, found.events, alive=False, torn=bool(found.torn))
        return run
    except JournalError as error:
        raise damaged(directory, error.message) from error


def read_any(state: Path, run_id: str) -> RunState:
    """One run; a damaged journal gives a run that says so instead of an error. Raises `UsageError`."""
    try:
        return read_run(state, run_id)
    except JournalError as error:
        directory = run_directory(state, run_id)
        return RunState(run_id=run_id, damage=error.message, resolved=_damage_resolution(directory))


def read_runs(state: Path) -> tuple[RunState, ...]:
    """All runs, the newest first, by their number (a clock may go back).

    Damaged ones, which have no number, come before all others until a person has resolved them, and then last.
    """
    runs = [read_any(state, run_id) for run_id in _run_ids(state)]
    return tuple(
        sorted(runs, key=lambda run: (run.damage is not None and run.is_halted, run.number, run.run_id), reverse=True)
    )


def next_number(state: Path) -> int:
    """One more than the highest number of a run that can be read."""
    return max((run.number for run in read_runs(state)), default=0) + 1


def read_chain(directory: Path) -> chain.Chain:
    """The events of a run, checked. Raises `JournalError` for anything but a last line that a kill cut off."""
    try:
        found = _read_once(directory)
        if found.torn:
            clock.pause(_WRITE_S)  # perhaps a run that goes on was just writing this line
            found = _read_once(directory)
        return found
    except JournalError as error:
        raise damaged(directory, error.message) from error


def _read_once(directory: Path) -> chain.Chain:
    # The head first: a run that goes on meanwhile can only make the journal longer than the head says.
    head = _read_plain(directory / HEAD_NAME)
    content = _read_plain(directory / JOURNAL_NAME)
    if content is None:
        raise JournalError("the file is missing")
    found = chain.read_chain(content)
    chain.check_head(found, None if head is None else chain.read_head(head))
    if not found.events:
        raise JournalError("it holds no event")
    return found


def damaged(directory: Path, what: str) -> JournalError:
    """The error for a journal that cannot be believed."""
    return JournalError(
        f"the journal of run {directory.name} is damaged: {what}",
        hint=f"look at {directory / JOURNAL_NAME}; then 'ringfence resolve {directory.name} --reason TEXT'",
    )


def resolve_damage(directory: Path, *, by: str, reason: str, damage: str) -> None:
    """Write down that a person has looked at a damaged journal; it holds for the file exactly as it is now."""
    said = {
        "by": by,
        "at": clock.iso(clock.utc_now()),
        "reason": reason,
        "damage": damage,
        "evidence": _evidence(directory),
    }
    files.write_atomic(directory / RESOLUTION_NAME, json.dumps(said, indent=2).encode() + b"\n")


def this_process() -> Process:
    """The process that writes, so that a later one can tell whether it still runs."""
    pid = os.getpid()
    return Process(pid=pid, hostname=socket.gethostname(), boot_id=_boot_id(), started=_started(pid))


def is_alive(who: Process) -> bool:
    """Whether a process that wrote a journal still runs; one on another machine counts as running.

    A machine that was started again has another boot id; a number that was given again has another start time.
    """
    if who.hostname != socket.gethostname():
        return True
    if who.boot_id != _boot_id() or not process.is_alive(who.pid):
        return False
    return who.started is None or who.started == _started(who.pid)


def _run_ids(state: Path) -> list[str]:
    try:
        names = os.listdir(state / RUNS_NAME)
    except FileNotFoundError:
        return []
    return sorted(name for name in names if RUN_ID.fullmatch(name) and (state / RUNS_NAME / name).is_dir())


def _read_plain(path: Path) -> bytes | None:
    """The content of a plain file of ours, None where there is none; `JournalError` for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"{path.name} cannot be opened: {error.strerror}") from error
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_size > _MOST_BYTES:
            raise JournalError(f"{path.name} is not a plain file of a sensible size")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read()
    finally:
        os.close(descriptor)


def _evidence(directory: Path) -> str:
    """A digest of the two files as they are, broken or not."""
    digest = hashlib.sha256()
    for name in (JOURNAL_NAME, HEAD_NAME):
        try:
            content = _read_plain(directory / name)
        except JournalError as error:
            content = error.message.encode()
        digest.update(b"-" if content is None else hashlib.sha256(content).digest())
    return digest.hexdigest()


def _damage_resolution(directory: Path) -> Resolution | None:
    try:
        said = json.loads(_read_plain(directory / RESOLUTION_NAME) or b"null")
        if said["evidence"] != _evidence(directory):
            return None
        return Resolution(by=str(said["by"]), at=clock.parse_iso(said["at"]), reason=str(said["reason"]))
    except (JournalError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _boot_id() -> str:
    """The id of this boot; empty where the system has none to show (macOS)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot (field 22 of proc_pid_stat(5)).

    None where that cannot be seen, and for one that has ended and was not waited for.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else int(fields[19])
    except (OSError, IndexError, ValueError):
        return None
