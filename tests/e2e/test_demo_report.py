"""The story of the demo as its report tells it, seen in a real browser; with pictures where somebody asks for them.

``RINGFENCE_SCREENSHOTS=docs/images pytest -m long tests/e2e/test_demo_report.py`` makes the picture of the README anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from tests.acceptance.project import new_project
from tests.e2e.test_pages import PHONE, SCREEN, opened

pytestmark = [pytest.mark.long, pytest.mark.postgres]
PICTURE = "demo-report.png"
_PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def demo() -> Iterator[dict[str, Any]]:
    """The demo, played on real databases and kept."""
    with new_project() as project:
        document = project.json("demo", "--keep")
        try:
            yield document
        finally:
            data = Path(document["directory"]) / "data" / "ringfence" / "inventory"
            for environment in ("production", "test"):
                shutil.rmtree((data / environment).resolve(), ignore_errors=True)
            shutil.rmtree(document["directory"], ignore_errors=True)


@pytest.mark.parametrize("size", [PHONE, SCREEN], ids=["phone", "screen"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_halt_tells_who_changed_what_and_how_it_is_put_right(
    browser: Browser, demo: dict[str, Any], tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    page = opened(browser, Path(demo["pages"][-1]), size=size, scheme=scheme)
    assert page.locator("h1").inner_text() == "HALT: production changed"
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert "25" in page.get_by_role("row", name='"SKU"').inner_text()
    first = page.locator(".changed li").first
    assert (
        "changed id 1" in first.inner_text() and first.locator("del").is_visible() and first.locator("ins").is_visible()
    )
    assert page.get_by_text("and 5 more").is_visible()
    assert "ringfence repair" in page.locator(".commands").inner_text()
    names = page.locator(".agent b").all_inner_texts()
    assert names == ["bad"]
    picture = tmp_path / PICTURE
    page.screenshot(
        path=picture, clip={"x": 0, "y": 0, "width": size[0], "height": 1500 if size == SCREEN else 844}, full_page=True
    )
    assert picture.read_bytes().startswith(_PNG) and picture.stat().st_size > 20_000
    asked = os.environ.get("RINGFENCE_SCREENSHOTS")
    if asked:
        Path(asked).mkdir(exist_ok=True)
        name = PICTURE if (size, scheme) == (SCREEN, "light") else f"demo-report-{size[0]}-{scheme}.png"
        shutil.copy(picture, Path(asked) / name)
    page.context.close()


def test_the_good_run_and_the_one_in_the_sandbox(browser: Browser, demo: dict[str, Any]) -> None:
    page = opened(browser, Path(demo["pages"][0]), size=PHONE)
    assert page.locator("h1").inner_text() == "Production unchanged"
    assert demo["good"]["commit"][:12] in page.locator(".verdict").inner_text()
    assert page.locator(".changed").count() == 0
    page.context.close()
    if demo["stopped"] is None:
        pytest.skip(f"no sandbox: {demo['sandbox']}")
    page = opened(browser, Path(demo["pages"][1]), size=PHONE)
    assert page.locator("h1").inner_text() == "An agent failed"
    assert "Production was verified: unchanged" in page.locator(".verdict").inner_text()
    page.context.close()
