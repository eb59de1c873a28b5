"""``reseed``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ringfence.cli.options import Config, FreshStart, Issue, Json, begin, exits
from ringfence.errors import EmptyTestDatabaseError
from ringfence.report import documents, text
from ringfence.workflow.backups import reseed as work
from ringfence.workflow.issue import find_issue
from ringfence.workflow.runs import notices


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=exits(
            "0   the test database equals the backup, row for row",
            "2   usage or configuration",
            "4   another process is making databases on the test server",
            "5   there is no sound backup",
            "6   it failed; the test database is as before",
            "7   the target is not provably this project's test database",
            "99  the test database has no tables and --fresh-start was not given",
        )
    )(reseed)


def reseed(
    backup: Annotated[
        str | None, typer.Option("--backup", metavar="ID", help="The backup; the newest when left out.")
    ] = None,
    issue: Issue = None,
    fresh_start: FreshStart = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Make the test database anew from a backup, all or nothing, and prove it equal.

    It is made beside the old one and swapped in when every row and object has been compared.
    """
    session = begin(as_json=json, config=config)
    reference = find_issue(issue, ())
    try:
        with session.console.working("reseeding the test database"):
            result = work.reseed(session.project, backup, fresh_start=fresh_start, progress=session.console)
    except EmptyTestDatabaseError as error:
        notices.tell_catastrophe(
            session.project,
            error,
            number=reference.issue,
            repository=reference.repository,
            progress=session.console,
            environ=os.environ,
        )
        raise
    session.console.show(text.reseeded(result))
    session.end(documents.reseeded(result))
