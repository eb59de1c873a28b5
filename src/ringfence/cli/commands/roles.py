"""``roles audit``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.options import Config, Json, begin, exits
from ringfence.errors import HaltError
from ringfence.findings import at_least
from ringfence.report import roles as shown
from ringfence.workflow import roles as work


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="The app role of production reads, inserts and updates, and has no way to delete: find every way around.",
    )
    group.command(
        epilog=exits(
            "0  no finding is high or critical",
            "1  something is high, nothing critical",
            "2  usage or configuration",
            "3  HALT: something is critical, or could not be asked; 'pre' and 'run' refuse then, too",
        )
    )(audit)
    app.add_typer(group, name="roles")


def audit(
    fixes: Annotated[bool, typer.Option("--fixes", help="Print only the mending SQL, as a script.")] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Ask the server for every right the app role really has, in every database of production's cluster.

    Memberships, ownership, rights of PUBLIC, columns, views, rules, triggers, functions, cascades, default privileges,
    parameters, large objects, sequences, foreign servers, pg_hba and more. Each finding says what an app could do with
    it, the SQL that shows it and the SQL that mends it. Nothing is written.
    """
    session = begin(as_json=json, config=config)
    with session.console.working("asking for rights"):
        result = work.audit(session.project)
    if fixes:
        session.console.show(shown.fixes(result.findings))
    else:
        session.console.show(shown.audited(result))
    worst = HaltError.exit_code if result.critical else 1 if at_least(result.findings, "high") else 0
    session.end(shown.audit_document(result), worst)
