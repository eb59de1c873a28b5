"""``agents sync`` and ``agents check``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ringfence.cli.options import MISLEADS, Config, Json, begin, exits
from ringfence.findings import at_least
from ringfence.report import findings as shown
from ringfence.report.schema import SCHEMA
from ringfence.wording import counted
from ringfence.workflow import guard
from ringfence.workflow import instructions as work


class AgentName(StrEnum):
    """Agents that can call the guard."""

    claude = "claude"
    codex = "codex"
    cursor = "cursor"
    gemini = "gemini"
    copilot = "copilot"


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="What agents are told about the database, in their instruction files, and the guard in their hooks.",
    )
    group.command(
        epilog=exits(
            "0  everything stands as it must", "1  a file could not be written; the others were", "2  usage", MISLEADS
        )
    )(sync)
    group.command(
        epilog=exits(
            "0  every section and every hook is there and current",
            "1  something is missing, stale or edited; 'pre' and 'run' refuse then, too",
            "2  usage or configuration",
            MISLEADS,
        )
    )(check)
    app.add_typer(group, name="agents")


def sync(
    agent: Annotated[
        list[AgentName] | None,
        typer.Option("--agent", metavar="A", help="Install the hook of this agent, in use here or not; repeatable."),
    ] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Write the database-safety section into every agent's instructions, and the guard into the hooks of those in use.

    Sections go into CLAUDE.md, AGENTS.md, GEMINI.md (in every directory), .claude/agents/*.md, Cursor's rules and
    Copilot's instructions, between markers; docs/agents/SHARED-CONTEXT.md holds what all agents share. Nothing outside
    the markers changes, and a second call changes nothing. The guard's policy is written anew from ringfence.toml.
    """
    session = begin(as_json=json, config=config)
    project = session.project
    asked = [one.value for one in agent or ()]
    result = work.sync(project.settings, asked=asked)  # type: ignore[arg-type]  # the values are those of the literal
    policy = guard.write_policy(project)
    for name in result.written:
        session.console.show(f"written: {name}")
    session.console.show(f"as it must be: {counted(len(result.current), 'file')}; policy of the guard: {policy}")
    if result.problems:
        session.console.show(shown.text(result.problems))
    document = {
        "schema": SCHEMA,
        "written": list(result.written),
        "current": list(result.current),
        "policy": str(policy),
        "findings": [f.to_json() for f in result.problems],
    }
    session.end(document, 1 if result.problems else 0)


def check(json: Json = False, config: Config = None) -> None:
    """Look for sections and hooks that are missing, stale or edited. Reads the work tree only, writes nothing."""
    session = begin(as_json=json, config=config)
    found = work.check(session.project.settings)
    session.console.show(shown.text(found))
    wrong = at_least(found, "low")
    session.console.show(
        "agents: everything is as it must be" if not wrong else f"agents: {counted(len(wrong), 'finding')}"
    )
    session.end(shown.document(found), 1 if wrong else 0)
