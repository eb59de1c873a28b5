"""``check``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.options import MISLEADS, Config, Json, begin, exits
from ringfence.report import checks
from ringfence.workflow.checks import check as work
from ringfence.workflow.checks.check import Moment

FINDINGS = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=exits(
            "0  every line holds",
            "1  findings: a line does not hold, or could not be looked at",
            "2  usage or configuration",
            MISLEADS,
        )
    )(check)


def check(
    before: Annotated[bool, typer.Option("--before", help="The list before a run, and separation.")] = False,
    after: Annotated[bool, typer.Option("--after", help="The list after a run, and separation.")] = False,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Mend first what needs nobody's decision: start servers, make a backup where none is recent, remove "
            "backups beyond the limit, close private files.",
        ),
    ] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """The strategy's checklists and every proof that test and production are apart, each line with what was seen.

    Without options both lists are gone through. Separation is asked of the servers and tried: test's password on
    production, and from inside of the test server its network, files and processes. Production is only read.
    """
    session = begin(as_json=json, config=config)
    both = before == after
    moments: list[Moment] = []
    if before or both:
        moments.append("before")
    if after or both:
        moments.append("after")
    with session.console.working("checking"):
        result = work.check(session.project, moments, progress=session.console, fix=fix)
    session.console.show(checks.text(result))
    session.end(checks.document(result), 0 if result.passed else FINDINGS)
