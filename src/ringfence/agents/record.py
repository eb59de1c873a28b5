"""The files an agent's work leaves behind: its output under ``.agents/outputs/``, times under ``.agents/timing/``."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ringfence import clock
from ringfence.agents import places
from ringfence.agents.model import AgentResult, file_word, issue_word
from ringfence.files import bytes_text
from ringfence.redact import one_line, redact

OUTPUT_LIMIT_BYTES = 20 * 1000 * 1000
_COMMAND_CHARS = 1000
OUTPUTS = (".agents", "outputs")
TIMING = (".agents", "timing")


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of an output file: its path as seen from the work tree, and what is not in it."""

    path: str
    kept_bytes: int
    left_out_bytes: int
    reasons: tuple[str, ...]


def output_name(agent: str, issue: str | None, started_at: dt.datetime, *, attempt: int = 1) -> str:
    """``build-12-112226.md``: agent, issue, month, day and year (UTC), as the strategy names them.

    A further attempt of an agent has a file of its own: ``build-12-112226-attempt-2.md``.
    """
    again = f"-attempt-{attempt}" if attempt > 1 else ""
    return f"{file_word(agent, what='the agent name')}-{issue_word(issue)}-{started_at.strftime('%m%d%y')}{again}.md"


class OutputFile:
    """The output of one agent while it is being written.

    It holds a descriptor on the file it made, so an agent that renames or replaces the file cannot lead the writing
    elsewhere; `close` then puts the real one back under its name. What does not fit, because of the limit or of a full
    disk, is counted and left out: writing never fails an agent.
    """

    def __init__(self, descriptor: int, *, worktree: Path, name: str, limit_bytes: int) -> None:
        self._descriptor = descriptor
        self._worktree, self._name, self._limit = worktree, name, limit_bytes
        self._kept = self._left_out = self._size = 0
        self._failure: str | None = None

    @classmethod
    def create(
        cls,
        worktree: Path,
        *,
        agent: str,
        issue: str | None,
        run_id: str,
        command: Sequence[str],
        started_at: dt.datetime,
        secrets: Iterable[str] = (),
        limit_bytes: int = OUTPUT_LIMIT_BYTES,
        attempt: int = 1,
    ) -> OutputFile:
        """Make the file with its header; an older one of that name is kept as ``<name>.1.md``, ``.2.md``, ….

        Raises `AgentError` where a directory on the way is a symbolic link, `UsageError` for a name that cannot be one.
        """
        name = output_name(agent, issue, started_at, attempt=attempt)
        with places.directory(worktree, OUTPUTS) as parent:
            places.set_aside(name.removesuffix(".md"), ".md", parent)
            file = cls(places.create(name, parent), worktree=worktree, name=name, limit_bytes=limit_bytes)
        line = redact(one_line(shlex.join(command))[:_COMMAND_CHARS], secrets).replace("`", "'")
        file._append(
            f"# {agent}{f' (attempt {attempt})' if attempt > 1 else ''}\n\n"
            f"- issue: {issue_word(issue)}\n- run: {one_line(run_id)}\n- started: {clock.iso(started_at)}\n"
            f"- command: `{line}`\n\n"
            "What follows is what the agent printed, without escape sequences and secrets. Nothing in it is a\n"
            "verdict: whether production changed is in the run's journal and report.\n\n---\n\n"
        )
        return file

    @property
    def path(self) -> str:
        """The path as seen from the work tree."""
        return "/".join((*OUTPUTS, self._name))

    def write(self, text: str) -> None:
        """Append what the agent printed, up to the limit; the rest is only counted."""
        data = text.encode("utf-8", "replace")
        room = max(0, self._limit - self._kept) if self._failure is None and self._left_out == 0 else 0
        fits = data if len(data) <= room else data[:room].decode("utf-8", "ignore").encode("utf-8")
        written = self._write(fits)
        self._kept += written
        self._left_out += len(data) - written

    def close(self, outcome: str, *, seconds: float, reasons: Sequence[str] = ()) -> Written:
        """Write the footer, make sure that the name still leads to this file, and close it. May be called once."""
        said = [f"- outcome: {one_line(outcome)}", f"- time: {clock.seconds_text(seconds)}"]
        if self._left_out:
            said.append(f"- left out: {bytes_text(self._left_out)} more than the {bytes_text(self._kept)} above")
        said += [f"- {one_line(reason)}" for reason in reasons]
        notes: list[str] = []
        try:
            if self._failure is None:
                self._append("\n\n---\n\n" + "\n".join(said) + "\n")
            notes += self._check_place()
        finally:
            os.close(self._descriptor)
        if self._failure is not None:
            notes.append(f"{self.path} is not complete: {self._failure}")
        return Written(path=self.path, kept_bytes=self._kept, left_out_bytes=self._left_out, reasons=tuple(notes))

    def _append(self, text: str) -> None:
        self._write(text.encode("utf-8", "replace"))

    def _write(self, data: bytes) -> int:
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            self._failure = error.strerror or str(error)
        self._size += written
        return written

    def _check_place(self) -> list[str]:
        """Put the file back under its name if the agent moved or replaced it; say what was found."""
        mine = os.fstat(self._descriptor)
        notes = [] if mine.st_size == self._size else [f"{self.path} was changed by somebody else while the agent ran"]
        try:
            with places.directory(self._worktree, OUTPUTS) as parent:
                with contextlib.suppress(FileNotFoundError):
                    there = os.lstat(self._name, dir_fd=parent)
                    if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                        return notes
                other = places.set_aside(self._name.removesuffix(".md"), ".md", parent)
                self._copy_to(parent)
        except Exception as error:
            return [*notes, f"{self.path} was moved away while the agent ran and could not be put back: {error}"]
        return [
            *notes,
            f"{self.path} was {'replaced' if other else 'removed'} while the agent ran; it was put back"
            + (f", what stood there is {other}" if other else ""),
        ]

    def _copy_to(self, parent: int) -> None:
        with os.fdopen(places.create(self._name, parent), "wb") as copy:
            at = 0
            while chunk := os.pread(self._descriptor, 1 << 20, at):
                copy.write(chunk)
                at += len(chunk)


def write_timing(
    worktree: Path,
    *,
    issue: str | None,
    run_id: str,
    results: Sequence[AgentResult],
    total_seconds: float,
) -> str:
    """Write ``.agents/timing/issue-<n>-timing.json`` and return its path as seen from the work tree.

    A further run on the same issue is appended to ``runs``; the same run again takes the place of its own entry. A file
    that cannot be read is kept as ``issue-<n>-timing.<k>.json``. Raises `AgentError` for a symbolic link.
    """
    stem = f"issue-{issue_word(issue)}-timing"
    entry: dict[str, object] = {
        "run": run_id,
        "agents": [_timing(result) for result in results],
        "total_seconds": round(total_seconds, 3),
    }
    with places.directory(worktree, TIMING) as parent:
        runs: list[object]
        try:
            runs = _earlier_runs(places.read(f"{stem}.json", parent))
        except ValueError:
            places.set_aside(stem, ".json", parent)
            runs = []
        runs = [r for r in runs if not (isinstance(r, dict) and r.get("run") == run_id)]
        document = {"schema": 1, "issue": issue, "runs": [*runs, entry]}
        places.write_whole(f"{stem}.json", json.dumps(document, indent=2).encode() + b"\n", parent)
    return "/".join((*TIMING, f"{stem}.json"))


def _timing(result: AgentResult) -> dict[str, object]:
    return {
        "name": result.name,
        "started_at": result.started_at,
        "ended_at": result.ended_at,
        "seconds": round(result.seconds, 3),
        "outcome": result.outcome,
        "attempt": result.attempt,
    }


def _earlier_runs(data: bytes | None) -> list[object]:
    """The runs of an existing file; ValueError where it is not such a file."""
    if data is None:
        return []
    try:
        said = json.loads(data)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    if not isinstance(said, dict) or not isinstance(said.get("runs"), list):
        raise ValueError("holds no list of runs")
    return list(said["runs"])
