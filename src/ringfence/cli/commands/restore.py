"""``restore``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ringfence import clock
from ringfence.cli.console import Console
from ringfence.cli.options import Config, Json, begin, exits
from ringfence.errors import UsageError
from ringfence.report import restores
from ringfence.workflow.backups import mirror
from ringfence.workflow.backups import restore as work
from ringfence.workflow.project import Project


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=exits(
            "0   production is the backup, row for row; rights and settings read back",
            "2   usage, or not confirmed",
            "4   a run or another restore is going on",
            "5   there is no such backup, or it is damaged",
            "6   it failed; production is as it was",
            "7   the server is not provably this project's production",
        )
    )(restore)


def restore(
    backup: Annotated[str, typer.Argument(metavar="ID", help="The backup; 'ringfence backup list' shows them.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for the database's name.")] = False,
    no_backup_first: Annotated[
        bool, typer.Option("--no-backup-first", help="Do not back up the damaged state before.")
    ] = False,
    accept_roles: Annotated[
        bool, typer.Option("--accept-roles", help="Swap although the role audit has critical findings.")
    ] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Emergency: put production back as it was in a backup. Nothing is overwritten.

    The damaged state is backed up first. The backup is then restored into a new database beside the damaged one,
    compared with its manifest row for row, given the owner, rights and settings that production had, and put in its
    place by two renames in one transaction: the name leads to a whole database at every moment. The damaged database is
    kept under another name. A HALT does not stand in the way.
    """
    session = begin(as_json=json, config=config)
    entry = mirror.usable(session.project, backup, session.console)
    if not yes:
        _confirm(session.console, session.project, restores.question(entry, session.project, clock.utc_now()))
    with session.console.working("restoring production"):
        result = work.restore(
            session.project,
            entry.id,
            backup_first=not no_backup_first,
            accept_roles=accept_roles,
            progress=session.console,
        )
    session.console.show(restores.text(result))
    session.end(restores.document(result))


def _confirm(console: Console, project: Project, question: str) -> None:
    """The database's name, typed by a person; without a terminal nobody can, and ``--yes`` is needed."""
    database = project.database("production")
    if not sys.stdin.isatty():
        raise UsageError(
            f"restore replaces the database {database} and asks for its name, and there is no terminal to ask on",
            hint="say --yes",
        )
    console.show(question)
    typer.echo(f"Type the name of the database to go on ({database}): ", nl=False, err=True)
    if sys.stdin.readline().strip() != database:
        raise UsageError("not confirmed; nothing was done", hint=f"type {database}, or say --yes")
