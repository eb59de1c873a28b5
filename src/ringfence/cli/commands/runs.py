"""``runs``, ``report`` and ``resolve``."""

from __future__ import annotations

import getpass
import webbrowser
from typing import Annotated

import typer
from rich.text import Text

from ringfence.cli.options import MISLEADS, Config, Json, begin, exits
from ringfence.errors import UsageError
from ringfence.journal import log, reader
from ringfence.report import documents, pages
from ringfence.report import runs as runs_text

Which = Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run; the newest when left out.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=exits("0  shown", "2  configuration", MISLEADS))(runs)
    app.command(epilog=exits("0  shown", "2  there is no such run", MISLEADS))(report)
    app.command(
        epilog=exits(
            "0  resolved; a new run may start",
            "2  there is no such run, or nothing to resolve",
            "4  the run is still going on",
            MISLEADS,
        )
    )(resolve)


def runs(json: Json = False, config: Config = None) -> None:
    """Show all runs, the newest first, and write the page that shows them with their durations and sizes."""
    session = begin(as_json=json, config=config)
    found = reader.read_runs(session.project.paths.state_directory)
    session.console.show(runs_text.runs(found))
    page = pages.write_history(session.project)
    session.console.show(Text(f"as a page: {page}", style="dim"))
    session.end({**documents.runs(found), "page": str(page)})


def report(
    run: Which = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Show one run: its steps, its agents, what was found, and what to do. Writes its page, too.

    The page is one file that needs nothing else: for a phone, for paper, for an issue. Above it lies one of all runs.
    """
    session = begin(as_json=json, config=config)
    state = session.project.paths.state_directory
    if run is None:
        found = reader.read_runs(state)
        if not found:
            raise UsageError("there is no run yet", hint="'ringfence run' makes one")
        chosen = found[0]
    else:
        chosen = reader.read_any(state, run)
    session.console.show(runs_text.report(chosen))
    page = session.write_page(chosen)
    if open_ and (page is None or not webbrowser.open(page.as_uri())):
        raise UsageError("no browser could be started", hint=f"open {page} yourself" if page else None)
    session.end({**documents.run(chosen), "page": str(page) if page else None})


def resolve(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="The run that stands in the way; 'ringfence runs' lists them.")
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What was found and done about it.")],
    json: Json = False,
    config: Config = None,
) -> None:
    """Let work go on after a HALT or a run that is not to be finished. For people: the reason is kept with the run.

    It repairs nothing. Look first: 'ringfence report', 'ringfence verify'.
    """
    session = begin(as_json=json, config=config)
    state = log.resolve(session.project.paths.state_directory, run, by=getpass.getuser(), reason=reason)
    session.console.show(f"run {state.run_id} is resolved; a new run may start")
    session.write_page(state)
    session.end(documents.run(state))
