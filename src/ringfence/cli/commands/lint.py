"""``lint``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from ringfence.cli.console import Console
from ringfence.cli.options import MISLEADS, Config, Json, exits
from ringfence.config.load import load
from ringfence.errors import UsageError
from ringfence.lint.rules import RULES
from ringfence.report import findings, lint_formats
from ringfence.report.schema import SCHEMA
from ringfence.report.text import columns
from ringfence.wording import counted
from ringfence.workflow import lint as work

FORMATS = ("text", "json", "sarif", "github")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=exits(
            "0  nothing was found",
            "1  findings",
            "2  usage or configuration",
            MISLEADS,
        )
    )(lint)


def lint(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH…]", help="Files and directories; the whole project when left out."),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is mechanical: absolute URLs become relative.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="RULE", help="Only this rule (repeatable).")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option("--skip", metavar="RULE", help="Not this rule (repeatable).")
    ] = None,
    list_rules: Annotated[bool, typer.Option("--list-rules", help="Show every rule and why it is one.")] = False,
    format_: Annotated[str, typer.Option("--format", metavar="FORM", help=f"One of {', '.join(FORMATS)}.")] = "text",
    json: Json = False,
    config: Config = None,
) -> None:
    """Find test code that could reach production: addresses, fallbacks, credentials, scripts, compose files.

    TypeScript, JavaScript, Python and shell are read by their grammars, so comments and prose do not count, and
    concatenations and constants do. A finding that is meant is allowed where it stands, with a reason:
    '# ringfence: allow RULE because …'. Nothing is executed and nobody connects.
    """
    if format_ not in FORMATS:
        raise UsageError(f"there is no format {format_!r}", hint=f"there are {', '.join(FORMATS)}")
    as_json = json or format_ == "json"
    console = Console(as_json=as_json or format_ != "text")
    rules = work.choose(only or (), skip or ())
    if list_rules:
        listed = [{"name": r.name, "severity": r.severity, "summary": r.summary, "why": r.why} for r in RULES]
        if as_json:
            console.result({"schema": SCHEMA, "rules": listed})
        else:
            table = columns("rule", "severity", "", "")
            for rule in RULES:
                table.add_row(rule.name, rule.severity, rule.summary, Text(rule.why, style="dim"))
            console.show(table)
        raise typer.Exit(0)
    result = work.lint(load(config, start=Path.cwd()), [Path(os.path.abspath(p)) for p in paths or ()], rules, mend=fix)
    found = result.linted.findings
    if format_ == "sarif":
        typer.echo(lint_formats.sarif(found, RULES))
    elif format_ == "github":
        typer.echo(lint_formats.github(found), nl=False)
    else:
        console.show(Group(findings.text(found), *_summary(result)))
        if as_json:
            console.result({**findings.document(found), "files": result.linted.files, "fixed": list(result.fixed)})
    raise typer.Exit(1 if found else 0)


def _summary(result: work.Result) -> list[Text]:
    linted = result.linted
    lines = [Text(f"mended: {name}", style="green") for name in result.fixed]
    allowed = f", {linted.allowed} allowed with a reason" if linted.allowed else ""
    looked = f"{counted(linted.files, 'file')}, {counted(linted.lines, 'line')}"
    if linted.findings:
        files = len({f.file for f in linted.findings})
        lines.append(
            Text(
                f"{counted(len(linted.findings), 'finding')} in {counted(files, 'file')} ({looked}{allowed})",
                style="bold red",
            )
        )
        if linted.edits:
            lines.append(Text("some can be mended: 'ringfence lint --fix'", style="dim"))
    else:
        lines.append(Text(f"no test in {looked} can reach production by what these rules see{allowed}", style="green"))
    return lines
