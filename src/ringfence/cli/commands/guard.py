"""``guard``: the hook, as a subcommand. Agents are given ``ringfence-guard`` itself, which starts ten times as fast."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ringfence.cli.options import exits
from ringfence.guard import hook


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=exits(
            "0   answered: a refusal is in the agent's own form on standard output",
            "2   refused, with the reason on standard error; there is no other exit status",
        )
    )(guard)


def guard(
    agent: Annotated[
        str, typer.Option("--agent", metavar="AGENT", help="Whose hook: claude, codex, cursor, gemini or copilot.")
    ] = "",
    project: Annotated[
        str, typer.Option("--project", metavar="NAME", help="The project; else the nearest ringfence.toml says.")
    ] = "",
) -> None:
    """Answer an agent's hook: read one event on standard input, judge what it would run by where it leads.

    'ringfence agents sync' installs it as 'ringfence-guard', which does the same and starts faster. It is a courtesy to
    the agent, which learns early what it may not do and what to write instead; the boundary is the sandbox.
    """
    words = [*(["--agent", agent] if agent else []), *(["--project", project] if project else [])]
    try:
        code = hook.run(words, os.environ)
    except BaseException:
        code = 2
    os._exit(0 if code == 0 else 2)
