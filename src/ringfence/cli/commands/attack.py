"""``attack``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.console import Console
from ringfence.cli.options import Json, exits
from ringfence.report import attack as report
from ringfence.workflow.attacks import attack as work

FINDINGS = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=exits(
            "0   everything was stopped, or found and put right; nothing honest was refused",
            "1   findings: something got through every layer, could not be tried, or was refused wrongly",
            "2   usage, or no PostgreSQL programs on this machine",
        )
    )(attack)


def attack(
    quick: Annotated[bool, typer.Option("--quick", help="One case of each kind.")] = False,
    json: Json = False,
) -> None:
    """Try every known way to destroy production through every layer, and print what stopped it: the containment score.

    Each layer is tried alone. The guard judges the command; then, as if the hook had not run, it is run in the sandbox
    as an agent; then, as if there were no sandbox, its statements are sent as the app role; then, as if everything had
    failed, the harm is done for real, and verification must find it and repair or restore put it back, row for row.

    All of it happens to two servers that the command makes for itself in a scratch directory and removes; it takes no
    configuration, and there is no way to name another database to it. It takes minutes; --quick is a part of it.
    """
    console = Console(as_json=json)
    with console.working("the attack"):
        result = work.attack(quick=quick, progress=console)
    console.show(report.text(result))
    console.result(report.document(result))
    raise typer.Exit(0 if result.passed else FINDINGS)
