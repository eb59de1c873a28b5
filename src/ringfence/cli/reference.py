"""The pages of docs/reference, made from the commands, the settings and the errors themselves.

``python -m ringfence.cli.reference DIRECTORY`` writes them (``make reference``); a test fails when they are not what
this makes.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from typer.main import get_command

from ringfence import errors
from ringfence.cli.main import app_for
from ringfence.config.model import Document

_NOTE = "<!-- Made by 'make reference'; changes made here are lost. -->"


def pages() -> dict[str, str]:
    """Every page by its file name."""
    return {"commands.md": commands_page(), "configuration.md": settings_page(), "exit-statuses.md": exits_page()}


def commands_page() -> str:
    """Every command with what it does, its arguments and options, and its exit statuses."""
    root: Any = get_command(app_for([]))
    parts = ["# Commands", "", _NOTE, "", "Every command has `--help`; most have `--json` (one object on stdout, "]
    parts[-1] += "everything else on standard error) and `--config PATH`. `NO_COLOR` is honoured."
    for name in sorted(root.commands):
        parts += _command(f"ringfence {name}", root.commands[name], level=2)
    return "\n".join(parts) + "\n"


def _command(name: str, command: Any, *, level: int) -> list[str]:
    parts = ["", f"{'#' * level} `{name}`", "", _prose(command.help or "")]
    children = getattr(command, "commands", None)
    if children:
        for child in sorted(children):
            parts += _command(f"{name} {child}", children[child], level=level + 1)
        return parts
    usage = [name, *_arguments(command)]
    parts += ["", "```", " ".join([*usage, "[OPTIONS]"]), "```", ""]
    rows = list(_options(command))
    if rows:
        parts += ["| option | |", "| --- | --- |", *rows, ""]
    parts += list(_exits(command.epilog or ""))
    return parts


def _arguments(command: Any) -> list[str]:
    found = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            shown = parameter.metavar or parameter.name.upper()
            found.append(shown if parameter.required or shown.startswith("[") else f"[{shown}]")
    return found


def _options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        text = _cell(getattr(parameter, "help", None) or "")
        if parameter.param_type_name == "argument":
            if text:
                yield f"| `{_cell(parameter.metavar or parameter.name.upper())}` | {text} |"
            continue
        names = ", ".join(f"`{n}`" for n in (*parameter.opts, *parameter.secondary_opts))
        value = (
            f" {parameter.metavar}" if parameter.metavar else "" if parameter.is_flag else f" {parameter.name.upper()}"
        )
        yield f"| {names}{f' `{_cell(value.strip())}`' if value else ''} | {text} |"


def _exits(epilog: str) -> Iterator[str]:
    found = re.findall(r"^\s*(\d+)\s+(\S.*)$", epilog, re.MULTILINE)
    if found:
        yield from ("| exit | meaning |", "| ---: | --- |")
        yield from (f"| {code} | {_cell(meaning)} |" for code, meaning in found)


def settings_page() -> str:
    """Every section and key of ringfence.toml with its type, its default, and what it is for."""
    parts = ["# ringfence.toml", "", _NOTE, "", _prose(Document.__doc__ or ""), ""]
    parts += ["A mistake anywhere is reported together with all others, with its key and the nearest known one; exit "]
    parts[-1] += "status 2. Passwords never stand in this file."
    return "\n".join([*parts, *_section((), Document)]) + "\n"


def _section(path: tuple[str, ...], model: type[BaseModel]) -> list[str]:
    fields = [(name, field, _model_in(field.annotation)) for name, field in model.model_fields.items()]
    plain = [(name, field) for name, field, inner in fields if inner is None]
    parts: list[str] = []
    explained = explanations(model)
    if path:
        shown = ".".join(path)
        shown = f"[[{shown}]]" if path[-1] == "agents" else f"[{shown}]"
        parts += ["", f"## `{shown}`", "", _prose(model.__doc__ or "")]
    if plain:
        parts += ["", "| key | value | default | |", "| --- | --- | --- | --- |"]
    for name, field in plain:
        default = "required" if field.is_required() else f"`{_default(field)}`"
        parts.append(f"| `{name}` | {_kind(field.annotation)} | {default} | {_cell(explained.get(name, ''))} |")
    for name, _, inner in fields:
        if inner is not None:
            parts += _section((*path, name), inner)
    return parts


def explanations(model: type[BaseModel]) -> Mapping[str, str]:
    """What the string below each key of a section says of it, by key; those of the class that it was made from, too."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base is BaseModel or not issubclass(base, BaseModel):
            continue
        body = typing.cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]).body
        for key, below in itertools.pairwise(body):
            match key, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = inspect.cleandoc(text)
    return found


def _model_in(kind: Any) -> type[BaseModel] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((found for part in typing.get_args(kind) if (found := _model_in(part))), None)


def _kind(kind: Any) -> str:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _kind(parts[0])
    if origin is typing.Literal:
        return ", ".join(f"`{p!r}`".replace("'", '"') for p in parts)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kind(p) for p in parts if p is not type(None)))
    if origin is tuple:
        return f"list of {_kind(parts[0])}"
    if origin is dict:
        return f"table of {_kind(parts[1])}"
    names = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    return names.get(kind, {"TableName": "table name", "TableRule": "rule"}.get(getattr(kind, "__name__", ""), "value"))


def _default(field: Any) -> str:
    value = field.default_factory() if field.default_factory else field.default
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(f'"{v}"' for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def exits_page() -> str:
    """Every exit status with what it means, from the classes of errors."""
    meanings: dict[int, list[str]] = {0: ["done; the promised end state was read back and compared"]}
    meanings[1] = ["findings: `lint`, `check`, `agents check`"]
    for found in vars(errors).values():
        if isinstance(found, type) and issubclass(found, errors.RingfenceError) and found is not errors.RingfenceError:
            said = re.sub(r"\s*\(\d+\)\.?$", "", (found.__doc__ or "").strip().split("\n")[0].rstrip("."))
            meanings.setdefault(found.exit_code, []).append(said)
    meanings |= {130: ["interrupted (Ctrl-C)"], 143: ["ended by SIGTERM"], 129: ["ended by SIGHUP"]}
    rows = [f"| {code} | {_cell('; or: '.join(said))} |" for code, said in sorted(meanings.items())]
    intro = "One class of error has one exit status. The guard alone has other rules: 0 or 2, never anything else."
    return (
        "\n".join(["# Exit statuses", "", _NOTE, "", intro, "", "| exit | meaning |", "| ---: | --- |", *rows]) + "\n"
    )


def _prose(text: str) -> str:
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(re.sub(r"`{2}", "`", " ".join(p.split())) for p in paragraphs)


def _cell(text: str) -> str:
    return re.sub(r"`{2}", "`", " ".join(text.split())).replace("|", "\\|")


def main(directory: Path) -> None:
    """Write every page."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (directory / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
