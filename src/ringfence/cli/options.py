"""Options that every command has, and how a command starts and ends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ringfence.cli.console import Console

if TYPE_CHECKING:
    from ringfence.journal.model import RunState
    from ringfence.workflow.project import Project

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout; everything else goes to standard error.")
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="PATH", help="The ringfence.toml to use; else the nearest one, upwards from here."
    ),
]
Issue = Annotated[
    str | None, typer.Option("--issue", metavar="N", help="The issue this is for; it becomes part of names.")
]
FreshStart = Annotated[
    bool,
    typer.Option(
        "--fresh-start", help="The test database may be empty: this is the first set-up. Without it: exit 99."
    ),
]


@dataclass(frozen=True, kw_only=True)
class Session:
    """A command at work: where it shows things, and the project it is about."""

    console: Console
    project: Project

    def write_page(self, state: RunState) -> Path | None:
        """Write the page of a run and say where it is; without room for it the run is what it is, and that is said."""
        from ringfence.backup.retention import rotate
        from ringfence.report import pages
        from ringfence.workflow.backups.backup import needed_baselines

        project = self.project
        entries = project.store.entries()
        kept = rotate(entries, keep=project.settings.backup.keep, needed=needed_baselines(project)).kept
        try:
            page = pages.write_run(project, state, entries, kept)
        except OSError as error:
            self.console.show(Text(f"the page of the run could not be written: {error.strerror}", style="yellow"))
            return None
        self.console.show(Text(f"as a page: {page}", style="dim"))
        return page

    def end(self, document: Mapping[str, Any], exit_code: int = 0) -> None:
        """Print the result's object where asked for and leave with an exit status."""
        self.console.result(document)
        raise typer.Exit(exit_code)


def begin(*, as_json: bool, config: Path | None, data_on_stdout: bool = False) -> Session:
    """Read the settings and open the project. ``data_on_stdout`` keeps all that is for people away from stdout."""
    from ringfence.workflow.project import open_project

    project = open_project(config, start=Path.cwd(), environ=os.environ)
    return Session(console=Console(as_json=as_json, data_on_stdout=data_on_stdout), project=project)


MISLEADS = "7  ringfence.toml leads test to production, or hides where one of them is"
"""Every command that reads the settings may end like that."""


def exits(*lines: str) -> str:
    """The end of a command's help: its exit statuses."""
    return "\n".join(["Exit status:", *lines])
