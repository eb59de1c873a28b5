"""``playwright-base-url``: a browser test set-up that does not take its address from ``TEST_BASE_URL``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from ringfence.lint.addresses import to_production
from ringfence.lint.model import Code, Facts, Hit, Place, Rule

VARIABLE = "TEST_BASE_URL"
_KEYS = frozenset({"baseURL", "baseUrl", "base_url"})
_TOP = Place(line=1, column=1, start=0, end=0)


def check(code: Code, facts: Facts) -> Iterator[Hit]:
    """The configuration of Playwright or Cypress."""
    name = PurePosixPath(code.path).name
    if not name.startswith(("playwright.config.", "cypress.config.")):
        return
    good = f"baseURL: process.env.{VARIABLE} ?? 'http://127.0.0.1:{facts.test.web_port}'"
    if VARIABLE not in code.variables:
        yield Hit(
            place=next((t.place for t in code.texts if t.use.key in _KEYS), _TOP),
            text=name,
            message=f"the tests' address does not come from {VARIABLE}",
            fix=good,
        )
    said = set()
    values = [(t.place, t.values) for t in code.texts if "url" in t.use.key.lower()]
    values += [(f.place, f.defaults) for f in code.fallbacks if VARIABLE in f.variables]
    for place, known in values:
        found = next((f for v in known if (f := to_production(v, facts))), None)
        if found and place.line not in said:
            said.add(place.line)
            yield Hit(
                place=place,
                text=found[0].text,
                message=f"without {VARIABLE} the tests run against production ({found[1]})",
                fix=good,
            )


RULE = Rule(
    name="playwright-base-url",
    severity="high",
    summary="a browser test set-up without TEST_BASE_URL, or with production as its default",
    why="one variable decides where every test goes; without it somebody's default does",
    check=check,
)
