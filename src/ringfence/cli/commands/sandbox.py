"""``sandbox``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ringfence.cli.options import Config, Json, begin, exits
from ringfence.errors import IdentityError, UsageError
from ringfence.report import sandbox as report
from ringfence.sandbox.model import LAYERS, Layer
from ringfence.workflow.runs import inside


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=exits(
            "    that of the command, 128 + N where signal N ended it; with --probe:",
            "0   every attempt to get out was denied, and an honest agent can work",
            "2   usage, configuration, or the sandbox is switched off",
            "7   no sandbox holds on this machine; nothing was started",
        )
    )(sandbox)


def sandbox(
    command: Annotated[list[str] | None, typer.Argument(metavar="-- CMD…", help="The command with its words.")] = None,
    shell: Annotated[bool, typer.Option("--shell", help="Open a shell in the sandbox.")] = False,
    probe: Annotated[bool, typer.Option("--probe", help="Try to get out in every known way, and show it.")] = False,
    layer: Annotated[
        str | None, typer.Option("--layer", metavar="LAYER", help="bwrap-net, bwrap or landlock; else the best.")
    ] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Run one command as an agent would be run: the test database and the listed hosts, and nothing of production.

    The command sees the work tree (ringfence.toml, .git/config and hooks cannot be written, backups not seen), the
    system's programs and an almost empty home. When it ends, every process that it started ends.
    """
    session = begin(as_json=json, config=config)
    wanted = _layer(layer)
    if sum([probe, shell, bool(command)]) != 1:
        raise UsageError("say one thing to run", hint="ringfence sandbox -- CMD, or --shell, or --probe")
    if probe:
        with session.console.working("trying to get out"):
            chosen = inside.probe(session.project, wanted)
        session.console.show(report.text(chosen))
        session.end(report.document(chosen), 0 if chosen.proof.holds else IdentityError.exit_code)
    if json:
        raise UsageError("--json goes with --probe", hint="the output of a command is its own")
    words = command or [os.environ.get("SHELL") or "/bin/sh"]
    _, code = inside.run(session.project, words, wanted)
    raise typer.Exit(code)


def _layer(name: str | None) -> Layer | None:
    for known in LAYERS:
        if name == known:
            return known
    if name is None:
        return None
    raise UsageError(f"there is no layer {name!r}", hint=f"there are {', '.join(LAYERS)}")
