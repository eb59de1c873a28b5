"""Options that every command has, and how a command starts and ends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ringfence.cli.console import Console
from ringfence.workflow.project import Project, open_project

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

    def end(self, document: Mapping[str, Any], exit_code: int = 0) -> None:
        """Print the result's object where asked for and leave with an exit status."""
        self.console.result(document)
        raise typer.Exit(exit_code)


def begin(*, as_json: bool, config: Path | None) -> Session:
    """Read the settings and open the project."""
    project = open_project(config, start=Path.cwd(), environ=os.environ)
    return Session(console=Console(as_json=as_json), project=project)


def exits(*lines: str) -> str:
    """The end of a command's help: its exit statuses."""
    return "\n".join(["Exit status:", *lines])
