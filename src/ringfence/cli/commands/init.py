"""``init``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ringfence.cli.commands.agents import AgentName
from ringfence.cli.console import Console
from ringfence.cli.options import Json, exits
from ringfence.config.load import FILE_NAME, load
from ringfence.config.names import DEFAULT_IMAGE
from ringfence.config.template import Place
from ringfence.errors import UsageError
from ringfence.report import text
from ringfence.report.schema import SCHEMA
from ringfence.workflow import guard, instructions
from ringfence.workflow.project import open_project
from ringfence.workflow.servers import setup as work
from ringfence.workflow.servers import setup_tests


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=exits("0  written", "2  there is a ringfence.toml already, or a name that cannot be one"))(init)


def init(
    project: Annotated[
        str, typer.Option("--project", metavar="NAME", help="Databases, roles and backups are named after it.")
    ] = "inventory",
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine", metavar="E", help="Where production's server runs: embedded (else), docker or server."
        ),
    ] = None,
    test_engine: Annotated[
        str | None, typer.Option("--test-engine", metavar="E", help="Where test's runs; else as production's.")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="postgresql://role@host/database, for engine server.")
    ] = None,
    test_url: Annotated[
        str | None, typer.Option("--test-url", metavar="URL", help="The same for a test server that exists already.")
    ] = None,
    container: Annotated[
        str | None,
        typer.Option("--container", metavar="NAME", help="Production's container that is there, for engine docker."),
    ] = None,
    image: Annotated[
        str, typer.Option("--image", metavar="IMAGE", help="The PostgreSQL image, for engine docker.")
    ] = DEFAULT_IMAGE,
    force: Annotated[bool, typer.Option("--force", help="Write ringfence.toml anew if there is one.")] = False,
    agent: Annotated[
        list[AgentName] | None,
        typer.Option("--agent", metavar="A", help="Install the guard's hook for this agent, in use here or not."),
    ] = None,
    apply_tests: Annotated[
        bool,
        typer.Option(
            "--apply-tests",
            help="Write what the test set-up lacks, else only shown; where ringfence.toml is there, nothing else.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Write ringfence.toml, the lines for .gitignore and the scripts of the strategy into this directory.

    Agents that are in use here get the database-safety section in their instructions, and the guard among their hooks.

    The file works at once: 'ringfence up' starts both databases. With '--engine docker' there are compose files, too;
    of a production container that is there, port, volume and database go into ringfence.toml. With '--engine server
    --url …' production is a server that exists; test is then embedded, unless you say otherwise.

    Where Playwright, Cypress, pytest or Jest are configured here and could run on something else than the test
    environment, what is missing is shown as a diff.
    """
    console = Console(as_json=json)
    if apply_tests and not force and (Path.cwd() / FILE_NAME).exists():
        console.result({"schema": SCHEMA, "root": str(Path.cwd()), "tests": _tests(console, apply=True)})
        return
    if container is not None and engine not in (None, "docker"):
        raise UsageError(f'a container belongs to engine "docker", not to "{engine}"')
    engine = engine or ("docker" if container is not None else "embedded")
    asked = [one.value for one in agent or ()]
    of_test = test_engine or ("server" if test_url else "embedded" if engine == "server" else engine)
    result = work.initialise(
        Path.cwd(),
        project=project,
        production=Place(engine=engine, image=image, url=url),
        test=Place(engine=of_test, image=image, url=test_url),
        force=force,
        agents=asked,  # type: ignore[arg-type]  # the values are those of the literal
        container=container,
    )
    if instructions.agents_in_use(load(None, start=Path.cwd()), asked):  # type: ignore[arg-type]
        # Without its policy, the guard that was just put among the hooks would refuse everything.
        guard.write_policy(open_project(None, start=Path.cwd(), environ=os.environ))
    console.show(text.initialised(result))
    console.result(
        {
            "schema": SCHEMA,
            "root": str(result.root),
            "written": list(result.written),
            "kept": list(result.kept),
            "adopted": list(result.adopted),
            "tests": _tests(console, apply=apply_tests),
        }
    )


def _tests(console: Console, *, apply: bool) -> list[dict[str, object]]:
    """What the test set-up lacks, shown and where asked for written; as it stands in ``--json``."""
    found = setup_tests.look(Path.cwd())
    written = setup_tests.apply(Path.cwd(), found) if apply else ()
    if found or apply:
        console.show(text.test_offers(found, written, asked=apply))
    return [
        {"path": offer.path, "why": offer.why, "diff": offer.diff(), "written": offer.path in written}
        for offer in found
    ]
