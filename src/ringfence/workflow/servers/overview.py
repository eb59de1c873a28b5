"""``status``: how everything stands, read from files; nobody connects and nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence import files
from ringfence.backup.model import Entry
from ringfence.engines.model import EngineStatus
from ringfence.journal import reader
from ringfence.journal.model import RunState
from ringfence.journal.replay import Obstacle, standing_in_the_way
from ringfence.workflow.project import Project
from ringfence.workflow.servers import environments


@dataclass(frozen=True, kw_only=True)
class Overview:
    """``obstacle`` is what a new run would be refused for; ``running`` names the process that holds the run lock."""

    project: str
    environments: tuple[EngineStatus, ...]
    last_run: RunState | None
    obstacle: Obstacle | None
    halted: bool
    running: str | None
    backups: tuple[Entry, ...]


def look(project: Project) -> Overview:
    """Put together what is known."""
    runs = reader.read_runs(project.paths.state_directory)
    locked = files.is_locked(project.paths.lock_file)
    return Overview(
        project=project.name,
        environments=environments.statuses(project),
        last_run=runs[0] if runs else None,
        obstacle=standing_in_the_way(runs),
        halted=any(r.is_halted for r in runs),
        running=(files.holder(project.paths.lock_file) or "holder unknown") if locked else None,
        backups=project.store.entries(),
    )
