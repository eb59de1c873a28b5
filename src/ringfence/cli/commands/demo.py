"""``demo``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.console import Console
from ringfence.cli.options import Json, Session, exits
from ringfence.report import story
from ringfence.workflow.runs import demo as work


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=exits(
            "0   everything happened as it must: the good agent's work was pushed, the bad one's was not",
            "2   no PostgreSQL programs on this machine",
            "70  something did not happen as it must",
        )
    )(demo)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the scratch directory, with a page of every run, for a look around.")
    ] = False,
    json: Json = False,
) -> None:
    """See it work: two real databases, a good agent, and one that changes production behind your back.

    Everything happens in a scratch directory on free ports, and is gone afterwards. Nothing of yours is touched.
    """
    console = Console(as_json=json)
    with console.working("the demo"):
        told = work.demo(keep=keep, progress=console)
    console.show(story.story(told))
    pages = []
    if told.kept is not None:
        session = Session(console=console, project=told.kept)
        runs = (told.good, *([told.stopped] if told.stopped else []), told.bad)
        pages = [str(page) for page in map(session.write_page, runs) if page is not None]
    console.result(story.document(told, pages))
