"""Mistakes in words: what pydantic found, as lines a person can act on. Pure."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ringfence.config.checks import Mistake
from ringfence.config.model import Agent, Backup, Diff, Document, Git, Github, Lint, Production, Test, Verify, Workflow
from ringfence.postgres.url import MisleadingURLError
from ringfence.redact import one_line, redact

_MODELS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): Document,
    ("production",): Production,
    ("test",): Test,
    ("backup",): Backup,
    ("verify",): Verify,
    ("diff",): Diff,
    ("workflow",): Workflow,
    ("workflow", "agents"): Agent,
    ("git",): Git,
    ("github",): Github,
    ("lint",): Lint,
}
_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false, without quotes",
    "string_type": "a text in quotes",
    "tuple_type": "a list in square brackets",
    "dict_type": "a table",
    "dataclass_exact_type": "a name in quotes",
}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def found(error: ValidationError) -> list[Mistake]:
    """Everything a validation found, one mistake each, in the order of the models."""
    return [_mistake(detail) for detail in error.errors(include_url=False, include_input=True)]


def key_text(location: Sequence[str | int]) -> str:
    """``workflow.agents[1].name``: where a value stands, with quotes where TOML needs them."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part != "[key]":
            shown = part if _BARE_KEY.fullmatch(part) else "'" + one_line(part) + "'"
            text += f".{shown}" if text else shown
    return text


def _mistake(detail: ErrorDetails) -> Mistake:
    location = detail["loc"]
    misleads = isinstance(detail.get("ctx", {}).get("error"), MisleadingURLError)
    return Mistake(key=key_text(location), text=redact(_text(detail, location)), misleads=misleads)


def _text(detail: ErrorDetails, location: tuple[str | int, ...]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown(location)
    if kind == "missing":
        sections = {path[0] for path in _MODELS if path}
        return "missing section" if len(location) == 1 and location[0] in sections else "missing key"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind in ("model_type", "model_attributes_type"):
        wanted = f"a section [{key_text(location)}]"
    elif kind == "literal_error":
        wanted = str(detail["ctx"]["expected"]).replace("'", '"')
    else:
        wanted = _WANTED.get(kind, "")
    if not wanted:
        return detail["msg"][:1].lower() + detail["msg"][1:]
    return f"wanted {wanted}, got {_shown(detail['input'])}"


def _unknown(location: tuple[str | int, ...]) -> str:
    names = tuple(part for part in location if isinstance(part, str))
    parent, key = names[:-1], names[-1]
    known = list(_MODELS[parent].model_fields)
    near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"unknown key (did you mean {near[0]}?)"
    elsewhere = [key_text(path) for path, model in _MODELS.items() if path and key in model.model_fields]
    if elsewhere:
        return f"unknown key here (it belongs in {' or '.join(f'[{e}]' for e in elsewhere)})"
    return f"unknown key (known here: {', '.join(known)})"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        cut = value if len(value) <= 60 else value[:57] + "..."
        return f'the text "{one_line(cut)}"'
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, dt.date | dt.time):
        return f"the date or time {value}"
    return f"a value of another kind ({type(value).__name__})"
