"""``up``, ``down`` and ``status``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.options import MISLEADS, Config, Json, begin, exits
from ringfence.engines.model import EnvironmentName
from ringfence.errors import UsageError
from ringfence.report import documents, text
from ringfence.workflow import hold
from ringfence.workflow.servers import environments, overview
from ringfence.workflow.servers.environments import BOTH
from ringfence.workflow.servers.furnish import Found

Which = Annotated[
    list[str] | None, typer.Argument(metavar="[production|test]", help="One environment; both when left out.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=exits(
            "0  both run, and are what they must be",
            "2  configuration, or a server that cannot be started (no binaries, port in use …)",
            "4  another process is recording an identity or writing passwords",
            "7  a database is not provably the environment's: another's stamp, another one than on record, one that",
            "   nobody agreed to take, or both are one server",
        )
    )(up)
    app.command(
        epilog=exits(
            "0  stopped, or did not run",
            "2  configuration, or a server that does not stop",
            "4  a run is going on",
            MISLEADS,
        )
    )(down)
    app.command(
        epilog=exits(
            "0  shown",
            "2  configuration",
            "4  with --require-clear: a HALT or an unfinished run stands in the way",
            MISLEADS,
        )
    )(status)


def up(
    which: Which = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Take databases that are there already for these environments.")
    ] = False,
    accept_new_identity: Annotated[
        bool, typer.Option("--accept-new-identity", help="Take what answers now, though another one is on record.")
    ] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Start the project's servers; the first time also make databases, stamps and roles, and record who they are.

    A second 'up' changes nothing. Passwords are generated into the project's pgpass file, outside the work tree.
    A database that was there before is shown, and taken only when you say so.
    """
    session = begin(as_json=json, config=config)

    def tell(*lines: str) -> None:
        if yes or session.console.can_ask:  # where nobody can be asked, the refusal says the same
            for line in lines:
                session.console.say(line)

    def consent(found: Found) -> bool:
        tell(*found.lines())
        return yes or session.console.ask(f"take it for {found.environment}?")

    def agree(question: str) -> bool:
        tell(question)
        return yes or session.console.ask("do it?")

    with session.console.working("starting"):
        brought = environments.up(
            session.project,
            _chosen(which),
            session.console,
            accept_new_identity=accept_new_identity,
            consent=consent,
            agree=agree,
        )
    session.console.show(text.environments([b.status for b in brought]))
    session.console.show(text.connecting(session.project))
    session.end(documents.environments([b.status for b in brought], {b.environment: b.changes for b in brought}))


def down(which: Which = None, json: Json = False, config: Config = None) -> None:
    """Stop the project's servers. Data, backups and passwords stay."""
    session = begin(as_json=json, config=config)
    with session.console.working("stopping"):
        stopped = environments.down(session.project, _chosen(which), session.console)
    session.end(
        documents.environments(
            environments.statuses(session.project), {e: ["stopped"] for e, done in stopped.items() if done}
        )
    )


def status(
    require_clear: Annotated[
        bool, typer.Option("--require-clear", help="Fail (4) while a HALT or an unfinished run stands; for git hooks.")
    ] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Show the environments, the last run, the backups, and whether a HALT stands."""
    session = begin(as_json=json, config=config)
    if require_clear:
        hold.require_clear(session.project)
    found = overview.look(session.project)
    session.console.show(text.overview(found))
    session.end(documents.overview(found))


def _chosen(which: list[str] | None) -> tuple[EnvironmentName, ...]:
    names = which or list(BOTH)
    for name in names:
        if name not in BOTH:
            raise UsageError(f"there is no environment {name!r}", hint="it is production or test")
    return tuple(e for e in BOTH if e in names)
