"""docs/reference is what the commands and settings say, and they say enough."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.main import get_command

from ringfence.cli import reference
from ringfence.cli.main import app_for
from ringfence.config.model import Document

DOCS = Path(__file__).parents[3] / "docs" / "reference"
ROOT: Any = get_command(app_for([]))


def commands(command: Any = ROOT, name: str = "") -> list[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if not children:
        return [(name, command)]
    return [found for child in sorted(children) for found in commands(children[child], f"{name} {child}".strip())]


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_the_pages_are_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == reference.pages()[name], "'make reference' writes them anew"


@pytest.mark.parametrize(("name", "command"), commands(), ids=[n for n, _ in commands()])
def test_every_command_says_what_it_does_its_options_and_its_exit_statuses(name: str, command: Any) -> None:
    assert len(command.help or "") > 30, "what it does"
    assert "0  " in (command.epilog or ""), "its exit statuses"
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert getattr(parameter, "help", None), f"{parameter.opts} is not explained"


@pytest.mark.parametrize(("name", "command"), commands(), ids=[n for n, _ in commands()])
def test_no_word_of_the_help_is_taken_for_markup(name: str, command: Any) -> None:
    # A word in square brackets is a style to what prints the help, and vanishes: write diff.mask, not the section.
    texts = [command.help, command.epilog, *(getattr(p, "help", None) for p in command.params)]
    assert not [t for t in texts if re.search(r"\[[a-z/]", t or "")]


def keys(model: type[BaseModel] = Document, path: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    explained = reference.explanations(model)
    for name, field in model.model_fields.items():
        inner = reference._model_in(field.annotation)
        found += keys(inner, f"{path}{name}.") if inner else [(f"{path}{name}", explained.get(name, ""))]
    return found


@pytest.mark.parametrize(("key", "text"), keys(), ids=[k for k, _ in keys()])
def test_every_key_of_the_settings_is_explained(key: str, text: str) -> None:
    assert text, f"{key} has no description in config/model.py"
