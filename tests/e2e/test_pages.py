"""The pages of runs in a real browser: on a phone and a screen, light and dark, with scripts switched off."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.cases import stories

from ringfence.report.history import history_view
from ringfence.report.html import history_page, run_page
from ringfence.report.view import Material, run_view

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
PHONE, SCREEN = (390, 844), (1280, 900)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every page, where the command puts them."""
    root = tmp_path_factory.mktemp("runs")
    material = Material(tails={".agents/outputs/build-7-112226.md": "12 passed\n" + "x" * 500})
    for state in stories.ALL:
        (root / state.run_id).mkdir()
        view = run_view(state, material, now=NOW, version="1")
        (root / state.run_id / "report.html").write_bytes(run_page(view))
    pages = frozenset(s.run_id for s in stories.ALL)
    view = history_view(stories.ALL, project="inventory", now=NOW, version="1", pages=pages)
    (root / "index.html").write_bytes(history_page(view))
    return root


def opened(browser: Browser, page: Path, *, size: tuple[int, int], scheme: str = "light") -> Page:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=False,
        offline=True,
    )
    shown = context.new_page()
    shown.goto(page.as_uri())
    return shown


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it, of ``rgb(r, g, b)``."""
    channels = [int(c) / 255 for c in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(page: Page, selector: str, background: str) -> float:
    read = "(e, name) => getComputedStyle(e)[name]"
    ink = page.locator(selector).first.evaluate(read, "color")
    paper = page.locator(background).first.evaluate(read, "backgroundColor")
    lighter, darker = sorted((luminance(ink), luminance(paper)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("size", [PHONE, SCREEN], ids=["phone", "screen"])
def test_no_page_is_wider_than_its_window(browser: Browser, site: Path, size: tuple[int, int]) -> None:
    for path in sorted(site.rglob("*.html")):
        page = opened(browser, path, size=size)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0], f"{path.parent.name}: {width} px"
        page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_verdict_can_be_read_in_light_and_dark(browser: Browser, site: Path, scheme: str) -> None:
    for state in (stories.PASSED, stories.HALTED, stories.FAILED):
        page = opened(browser, site / state.run_id / "report.html", size=PHONE, scheme=scheme)
        assert contrast(page, ".verdict h1", ".verdict") >= 4.5
        assert contrast(page, ".note", "body") >= 4.5
        assert page.locator(".verdict h1").bounding_box()["y"] < 200, "the verdict is what is seen first"  # type: ignore[index]
        page.context.close()
    light = luminance(page_background(browser, site, "light"))
    dark = luminance(page_background(browser, site, "dark"))
    assert light > 0.8 and dark < 0.05


def page_background(browser: Browser, site: Path, scheme: str) -> str:
    page = opened(browser, site / "index.html", size=SCREEN, scheme=scheme)
    colour = page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    page.context.close()
    return str(colour)


def test_what_is_folded_opens_without_a_script(browser: Browser, site: Path) -> None:
    page = opened(browser, site / stories.PASSED.run_id / "report.html", size=SCREEN)
    quiet = page.get_by_text("audit_3")
    assert not quiet.is_visible()
    page.get_by_text("12 tables unchanged").click()
    assert quiet.is_visible()
    tail = page.get_by_text("12 passed")
    assert not tail.is_visible()
    page.get_by_text("the last lines it printed").click()
    assert tail.is_visible()
    page.context.close()


def test_from_the_page_of_all_runs_to_one(browser: Browser, site: Path) -> None:
    page = opened(browser, site / "index.html", size=PHONE)
    page.get_by_role("link", name=stories.HALTED.run_id, exact=True).click()
    assert page.locator("h1").inner_text() == "HALT: production changed"
    assert "25" in page.get_by_role("row", name='"SKU"').inner_text()
    page.context.close()


@pytest.mark.parametrize("size", [PHONE, SCREEN], ids=["phone", "screen"])
def test_rows_and_refusals_can_be_read_without_scrolling_sideways(
    browser: Browser, site: Path, size: tuple[int, int]
) -> None:
    page = opened(browser, site / stories.HALTED.run_id / "report.html", size=size)
    for shown in ("deleted id 77", "Washer M4, zinc", "12.50", "13.50", "refused by the guard", "and 23 more"):
        found = page.get_by_text(shown).last if shown != "deleted id 77" else page.locator(".changed .key").first
        box = found.bounding_box()
        assert found.is_visible() and box is not None and box["x"] + box["width"] <= size[0], shown
    assert "UPDATE" in page.locator(".refusals pre").first.inner_text()
    assert page.locator(".changed dd", has_text="masked").count() == 1
    verdict = page.get_by_role("row", name='"SKU"').locator(".tag").bounding_box()
    assert verdict is not None and verdict["x"] + verdict["width"] <= size[0], "what changed is seen at once"
    page.context.close()


def test_hostile_names_are_seen_as_text(browser: Browser, site: Path) -> None:
    page = opened(browser, site / stories.HOSTILE_RUN.run_id / "report.html", size=PHONE)
    assert page.locator("script").count() == 0
    assert "<script>alert('x')</script>" in page.locator("dl.facts").inner_text()
    page.context.close()
