"""Writing pages: the run's own beside its journal, and one of all runs above them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

import ringfence
from ringfence import clock, files
from ringfence.backup.model import Entry, Kept
from ringfence.journal import reader
from ringfence.journal.model import RunState
from ringfence.postgres import target
from ringfence.redact import one_line, redact
from ringfence.report.history import history_view
from ringfence.report.view import BackupRow, Material, run_view
from ringfence.workflow.project import Project

PAGE = "report.html"
INDEX = "index.html"
_TAIL_BYTES = 6000
_TAIL_LINES = 60


def write_run(project: Project, state: RunState, backups: Sequence[Entry], kept: Sequence[Kept]) -> Path:
    """Write the page of a run, and that of all runs; the path of the first. Raises OSError where there is no room."""
    from ringfence.report import html  # templates take 0.06 s to load; only who writes a page waits for that

    directory = reader.run_directory(project.paths.state_directory, state.run_id)
    path = directory / PAGE
    material = Material(
        tails=_tails(project, state),
        watched=frozenset((t.schema or "", t.name) for t in project.settings.verify.watch),
        backups=_backup_rows(state, backups, kept),
    )
    view = run_view(state, material, now=clock.utc_now(), version=ringfence.__version__)
    files.write_atomic(path, html.run_page(view))
    write_history(project)
    return path


def write_history(project: Project) -> Path:
    """Write the page of all runs; its path."""
    from ringfence.report import html

    runs = reader.read_runs(project.paths.state_directory)
    pages = frozenset(r.run_id for r in runs if (project.paths.runs / r.run_id / PAGE).is_file())
    view = history_view(runs, project=project.name, now=clock.utc_now(), version=ringfence.__version__, pages=pages)
    path = project.paths.runs / INDEX
    files.write_atomic(path, html.history_page(view))
    return path


def _backup_rows(state: RunState, entries: Iterable[Entry], kept: Iterable[Kept]) -> list[BackupRow]:
    told = {k.id: k.reason for k in kept}
    return [
        BackupRow(
            id=one_line(e.id),
            made=e.manifest.created_at.strftime("%Y-%m-%d %H:%M:%S") if e.manifest else "",
            size=files.bytes_text(e.manifest.size_bytes) if e.manifest else "",
            note=redact(one_line(e.problem or told.get(e.id, "goes next"))),
            tone="bad" if e.problem else "quiet",
            mine=e.id == state.backup,
        )
        for e in entries
    ]


def _tails(project: Project, state: RunState) -> dict[str, str]:
    secrets = [e.password for e in target.read_passfile(project.paths.pgpass)]
    found = {}
    for agent in state.agents:
        name = agent.get("output_file")
        if isinstance(name, str):
            text = _tail(Path(state.root), name)
            found[name] = redact(text, secrets)
    return found


def _tail(root: Path, name: str) -> str:
    """The last lines of an output. Agents can write where it lies: no link is followed, nothing but a file is read."""
    path = root / name
    with contextlib.suppress(OSError):
        if not path.resolve().is_relative_to(root.resolve()):
            return ""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode):
                return ""
            file.seek(max(0, info.st_size - _TAIL_BYTES))
            lines = file.read(_TAIL_BYTES).decode("utf-8", "replace").split("\n")
        return "\n".join(one_line(line) for line in lines[-_TAIL_LINES:]).strip("\n")
    return ""
