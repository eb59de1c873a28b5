"""``absolute-url``: an end-to-end test that says which server it means."""

from __future__ import annotations

from collections.abc import Iterator

from ringfence.lint.addresses import WEB, Address, addresses, leads_to
from ringfence.lint.classify import is_e2e, is_playwright_config
from ringfence.lint.model import UNKNOWN, Code, Edit, Facts, Hit, Rule, Side, Text, fresh

# What opens an address. An absolute URL of anybody is wrong there; elsewhere only one of the application is.
_OPENS = frozenset(
    {"goto", "visit", "request", "fetch", "get", "post", "put", "patch", "delete", "newPage", "navigate"}
)
_OPENERS = frozenset({"page", "cy", "request", "context", "fetch", "browser", "driver", "apiContext", "client"})


def check(code: Code, facts: Facts) -> Iterator[Hit]:
    """Absolute URLs that a test opens, and URLs of the application anywhere in it."""
    if not is_e2e(code) or is_playwright_config(code):
        return
    for text in code.texts:
        opens = _is_opened(text)
        if text.use.key.lower() in ("baseurl", "base_url"):
            continue  # the set-up's own rule looks at it

        def offends(value: str, opens: bool = opens) -> bool:
            return _offence(value, facts, opens=opens) is not None

        value = fresh(text, offends)
        found = _offence(value, facts, opens=opens) if value is not None else None
        if value is not None and found is not None:
            yield Hit(
                place=text.place,
                text=found.text.replace(UNKNOWN, "…"),
                message="an end-to-end test must use relative URLs; this one decides by itself which server it opens",
                fix=f"write {_relative(found)!r}, and let TEST_BASE_URL say where the application runs",
                edit=_edit(code, text, found),
            )


def _offence(value: str, facts: Facts, *, opens: bool) -> Address | None:
    for address in addresses(value):
        if address.scheme not in WEB or not address.host:
            continue
        # A pattern that a request is caught by (`**/api`, https://*.stripe.com) opens nothing.
        if address.start > 0 and value[: address.start].strip() and not opens:
            continue
        own = address.local or any(leads_to(address, s, o) for s, o in _sides(facts))
        if own or (opens and address.start == 0):
            return address
    return None


def _sides(facts: Facts) -> tuple[tuple[Side, Side], ...]:
    return ((facts.production, facts.test), (facts.test, facts.production))


def _is_opened(text: Text) -> bool:
    owner, _, method = text.use.call.rpartition(".")
    if not method or text.use.argument != 0:
        return False
    return method in _OPENS and (not owner or owner.rpartition(".")[2] in _OPENERS)


def _relative(address: Address) -> str:
    return address.path.replace(UNKNOWN, "…") or "/"


def _edit(code: Code, text: Text, found: Address) -> Edit | None:
    """Only for one literal that begins with the address: there the origin can go without a thought."""
    if not text.literal or found.start != 0 or UNKNOWN in text.values[0]:
        return None
    raw = code.source[text.place.start : text.place.end]
    origin = found.text.removesuffix(found.path) if found.path else found.text
    at = raw.find(origin.encode())
    if at not in (1, 2) or raw.count(origin.encode()) != 1:
        return None
    start = text.place.start + at
    rest = raw[at + len(origin.encode()) :]
    return Edit(start=start, end=start + len(origin.encode()), replacement=b"" if rest[:1] == b"/" else b"/")


RULE = Rule(
    name="absolute-url",
    severity="high",
    summary="an end-to-end test opens an absolute URL",
    why="a relative URL goes where TEST_BASE_URL leads; an absolute one goes to the same server in every environment",
    check=check,
)
