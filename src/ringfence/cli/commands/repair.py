"""``repair``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.options import Config, Json, Session, begin, exits
from ringfence.errors import HaltError, UsageError
from ringfence.report import documents, repair_text
from ringfence.workflow.repairs import repair as work
from ringfence.workflow.repairs.repair_plan import RepairPlan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=exits(
            "0  the SQL was shown; with --apply: repaired, read back and verified",
            "2  usage or configuration, or nobody agreed",
            "3  repaired as far as rows go, and damage remains that 'ringfence verify' names",
            "4  a run is going on, or another process is making databases on the test server",
            "5  there is no sound backup, or none could be made of the damaged state",
            "6  not repaired; production is as it was",
            "7  production or the test server is not provably this project's",
        )
    )(repair)


def repair(
    backup: Annotated[
        str | None, typer.Option("--backup", metavar="ID", help="The backup to go back to; the newest when left out.")
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option("--table", metavar="T", help="Only this table, as in SQL; may be given several times."),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Run it, in one transaction; without it the SQL is shown.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Agree beforehand: nobody is asked.")] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Newer rows that stand in the way, or refer to a row that is removed, go as well."
        ),
    ] = False,
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="Do not keep a backup of the damaged state first.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Read every row to learn which tables differ, whatever the WAL says.")
    ] = False,
    lock_wait: Annotated[
        float, typer.Option("--lock-wait", metavar="SECONDS", min=0.1, help="How long locks on tables are waited for.")
    ] = work.DEFAULT_LOCK_WAIT_S,
    json: Json = False,
    config: Config = None,
) -> None:
    """Put back exactly the rows that differ from the baseline.

    Without --apply the SQL goes to standard output, for psql, and nothing is written. It holds the values themselves:
    diff.mask does not apply. With --apply it is run in one transaction that commits only if every repaired table then
    has the baseline's fingerprint. New rows of an append-only table stay. Tables, columns and other objects are not
    rows: 'ringfence restore' brings those back.
    """
    session = begin(as_json=json, config=config, data_on_stdout=not apply)
    request = work.Request(
        tables=table or [], full=full, evidence=not no_backup, overwrite=overwrite, lock_wait_s=lock_wait
    )
    if apply:
        _apply(session, backup, request, yes=yes)
    if yes or overwrite or no_backup:
        raise UsageError("--yes, --overwrite and --no-backup are about --apply", hint="add --apply, or leave them out")
    _show(session, backup, request)


def _show(session: Session, backup: str | None, request: work.Request) -> None:
    console = session.console
    pieces: list[str] = []
    with console.working("comparing rows with the baseline"):
        emit = pieces.append if console.as_json else console.data
        result = work.plan_only(session.project, backup, request, emit=emit, progress=console)
    console.show(repair_text.repaired(result))
    session.end(documents.repaired(result, "".join(pieces)))


def _apply(session: Session, backup: str | None, request: work.Request, *, yes: bool) -> None:
    console = session.console

    def agree(plan: RepairPlan) -> bool:
        console.show(repair_text.planned(plan, backup or "the newest backup"))
        return yes or console.ask("Write this to production?")

    with console.working("repairing production"):
        result = work.repair_now(session.project, backup, request, agree=agree, progress=console)
    console.show(repair_text.repaired(result))
    passed = result.verified is not None and result.verified.passed
    session.end(documents.repaired(result, None), 0 if passed else HaltError.exit_code)
