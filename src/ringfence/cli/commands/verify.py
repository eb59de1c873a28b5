"""``verify``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.options import MISLEADS, Config, Json, begin, exits
from ringfence.errors import HaltError
from ringfence.report import documents, text
from ringfence.workflow.comparison import verify as work


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=exits(
            "0  unchanged, or changed only as a rule allows",
            "2  usage or configuration",
            "3  HALT: production differs from its baseline, or that it does not could not be shown",
            "5  there is no sound backup to compare with",
            MISLEADS,
        )
    )(verify)


def verify(
    backup: Annotated[
        str | None, typer.Option("--backup", metavar="ID", help="The baseline; the newest when left out.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read every row again, whatever the WAL says.")] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Compare production with its baseline: every row, and everything in the catalog.

    Rows are read again only where production's write-ahead log names the blocks they lie in; where the log cannot be
    had, or does not reach back to the baseline, every row is read, and the verdict says why. Nothing is written to
    production but, at most, one empty message into that log. Tables that differ are compared row by row with the
    reference on the test server.
    """
    session = begin(as_json=json, config=config)
    with session.console.working("comparing production with its baseline"):
        result = work.verify(session.project, backup, progress=session.console, full=full)
    session.console.show(text.verified(result, session.project.settings.verify))
    session.end(documents.verified(result), 0 if result.passed else HaltError.exit_code)
