"""``live apply``, ``live check`` and ``live remove``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.options import Config, Json, Session, begin, exits
from ringfence.report import findings as shown
from ringfence.report.schema import SCHEMA
from ringfence.wording import counted
from ringfence.workflow.comparison import live as work
from ringfence.workflow.comparison.live import Applied

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the SQL and do nothing.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Runs while the application goes on writing: tell what it wrote from what anybody else wrote.",
    )
    group.command(
        epilog=exits(
            "0  the writers of every table can be told (with --dry-run: the SQL was shown)",
            "2  usage or configuration: verify.live is not set",
            "3  somebody changes production meanwhile",
            "7  the database is not provably production",
        )
    )(apply)
    group.command(
        epilog=exits(
            "0  the writers of every table can be told",
            "1  something is missing; 'pre' and 'run' refuse then",
            "2  usage or configuration: verify.live is not set",
            "7  the database is not provably production",
        )
    )(check)
    group.command(epilog=exits("0  nothing of it is left", "2  usage", "7  the database is not provably production"))(
        remove
    )
    app.add_typer(group, name="live")


def apply(dry_run: DryRun = False, json: Json = False, config: Config = None) -> None:
    """Put a small table, a function and one trigger for each table into production; a second time does nothing.

    The triggers fire once a statement, also where session_replication_role switches others off. Each table is locked
    against writers for a moment. Backups made before it do not have the triggers: make a new one afterwards.
    """
    session = begin(as_json=json, config=config)
    with session.console.working("reading triggers"):
        result = work.apply(session.project, dry_run=dry_run)
    _show(session, result, nothing="the writers of every table can be told; nothing to do")


def check(json: Json = False, config: Config = None) -> None:
    """Look for tables without the trigger, and for whatever else keeps writers from being told. Writes nothing."""
    session = begin(as_json=json, config=config)
    found = work.check(session.project)
    session.console.show(shown.text(found))
    session.console.show(
        f"live: {counted(len(found), 'finding')}" if found else "live: the writers of every table can be told"
    )
    session.end(shown.document(found), 1 if found else 0)


def remove(dry_run: DryRun = False, json: Json = False, config: Config = None) -> None:
    """Take the triggers, the function and the table out of production again."""
    session = begin(as_json=json, config=config)
    result = work.remove(session.project, dry_run=dry_run)
    _show(session, result, nothing="nothing of it is there")


def _show(session: Session, result: Applied, *, nothing: str) -> None:
    for statement in result.statements:
        session.console.show(f"{statement};")
    said = "shown; nothing was done" if result.dry_run else "done and read back"
    session.console.show(f"{len(result.statements)} transactions, {said}" if result.statements else nothing)
    session.end({"schema": SCHEMA, "statements": list(result.statements), "dry_run": result.dry_run})
