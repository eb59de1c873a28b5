"""``roles apply``, ``roles audit`` and ``roles prove``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.options import MISLEADS, Config, Json, begin, exits
from ringfence.errors import HaltError
from ringfence.findings import at_least
from ringfence.report import roles as shown
from ringfence.workflow.rights import roles as work


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="The app role of production reads, inserts and updates, and has no way to delete: find every way around.",
    )
    group.command(
        epilog=exits(
            "0  the roles are as declared: read back after the last statement (with --dry-run: the plan was shown)",
            "2  usage or configuration",
            "4  another process is writing passwords",
            "7  the database is not stamped as production, or the server refused a statement: nothing was kept",
        )
    )(apply)
    group.command(
        epilog=exits(
            "0  no finding is high or critical",
            "1  something is high, nothing critical",
            "2  usage or configuration",
            "3  HALT: something is critical, or could not be asked; 'pre' and 'run' refuse then, too",
            MISLEADS,
        )
    )(audit)
    group.command(
        epilog=exits(
            "0  everything that must be refused was refused by the server",
            "2  usage or configuration",
            "3  HALT: something got through, or could not be tried",
            "7  the database is not stamped as this project's production",
        )
    )(prove)
    app.add_typer(group, name="roles")


def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the SQL and do nothing.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="The level strict, whatever roles.level says; see docs/security.md.")
    ] = False,
    new_password: Annotated[
        bool,
        typer.Option("--new-password", help="Give the app role a new password where its own is not known."),
    ] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Make the app role of production what ringfence.toml declares; a second time does nothing.

    It may SELECT, INSERT and UPDATE; memberships, ownership, attributes and rights beyond that are taken away, also
    from PUBLIC and from what will be made later. Every statement that takes something is shown with the one that gives
    it back. The password is made where there is none and kept in the project's pgpass file. That of a role that was
    there before, on a server that is not embedded, stays as it is: an application may be running with it.
    """
    session = begin(as_json=json, config=config)
    with session.console.working("reading rights"):
        result = work.apply(
            session.project, level="strict" if strict else None, dry_run=dry_run, new_password=new_password
        )
    session.console.show(shown.applied(result))
    session.end(shown.apply_document(result))


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


def prove(json: Json = False, config: Config = None) -> None:
    """Log in as the app role and really try: DELETE, TRUNCATE, DROP and everything else it must not be able to do.

    On production each attempt is a transaction of its own that is rolled back, in a form that touches no row. What no
    rollback undoes (setval, DROP DATABASE, programs on the server) is tried on a throw-away server with production's
    roles, rights and schema and no rows. What the server answered is shown.
    """
    session = begin(as_json=json, config=config)
    with session.console.working("trying as the app role"):
        result = work.prove(session.project, session.console)
    session.console.show(shown.proven(result))
    bad = any(f.severity == "critical" for f in result.findings)
    session.end(shown.prove_document(result), HaltError.exit_code if bad else 0)
