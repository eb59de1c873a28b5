"""Pages: a view and a template, everything escaped, the stylesheet inside, nothing fetched."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ringfence.report.history import HistoryView
from ringfence.report.view import RunView


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("ringfence.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> bytes:
    """A whole page. ``css`` is given; every other value is escaped, whoever chose it."""
    css = resources.files("ringfence.report").joinpath("templates/page.css").read_text("utf-8")
    return _environment().get_template(template).render(css=Markup(css), **values).encode("utf-8", "replace")


def run_page(view: RunView) -> bytes:
    """The page of one run."""
    return render("run.html", run=view)


def history_page(view: HistoryView) -> bytes:
    """The page of all runs."""
    return render("history.html", history=view)
