"""Pages: whole, escaped, with nothing to fetch and nothing that runs."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser

import pytest
from tests.cases import stories

from ringfence.journal.model import RunState
from ringfence.report.history import history_view
from ringfence.report.html import history_page, run_page
from ringfence.report.view import Material, run_view

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Reader(HTMLParser):
    """Checks that every element is closed, and collects elements, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: bytes) -> Reader:
    reader = Reader()
    reader.feed(page.decode())
    reader.close()
    assert reader.open == []
    return reader


def page(state: RunState, **material: object) -> bytes:
    return run_page(run_view(state, Material(**material), now=NOW, version="1"))  # type: ignore[arg-type]


def history(states: tuple[RunState, ...]) -> bytes:
    pages = frozenset(s.run_id for s in states)
    return history_page(history_view(states, project="inventory", now=NOW, version="1", pages=pages))


@pytest.mark.parametrize("state", stories.ALL, ids=lambda s: s.run_id)
def test_a_page_is_whole_fetches_nothing_and_runs_nothing(state: RunState) -> None:
    found = read(page(state))
    assert not found.seen & {"script", "img", "iframe", "object", "embed", "link", "form", "base"}
    assert not [a for a in found.attributes if a[0].startswith("on") or a[0] in ("src", "href", "action")]
    assert "default-src 'none'" in str(found.attributes)
    assert state.run_id in found.text


def test_what_others_chose_is_text_and_nothing_else() -> None:
    hostile = page(stories.HOSTILE_RUN, tails={".agents/outputs/x": stories.HOSTILE})
    text = hostile.decode()
    assert (
        "<script>" not in text and "{{7*7}}" in text and "49" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    )
    assert "\x1b" not in text
    assert "geheim123" not in text
    assert "a&#34;&#34;b;&#39;" in text


def test_the_page_of_all_runs_plots_them_and_leads_to_each() -> None:
    found = read(history(stories.ALL))
    links = [value for name, value in found.attributes if name == "href"]
    assert f"{stories.PASSED.run_id}/report.html" in links
    assert all(re.fullmatch(r"[0-9A-Za-z-]+/report\.html", link) for link in links)
    assert "rect" in found.seen
    assert "12 min 34 s" in found.text and "1.8 MB" in found.text


def test_no_run_yet_is_a_page_too() -> None:
    assert "No run yet" in read(history(())).text


def test_many_runs_still_fit() -> None:
    many = tuple(stories.PASSED for _ in range(500))
    view = history_view(many, project="p", now=NOW, version="1", pages=frozenset())
    assert len(view.rows) == 500
    assert len(view.plots[0].bars) == 60
    assert all(b.x + b.width <= 720 for b in view.plots[0].bars)
