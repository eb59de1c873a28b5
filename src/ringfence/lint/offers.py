"""What a project's test set-up lacks so that tests run on the test environment only, as changes to its files. Pure.

Nothing is guessed: a file that does not read as expected is named with what to put into it, and is not changed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

_ENDINGS = ("ts", "mts", "cts", "js", "mjs", "cjs")
PLAYWRIGHT = tuple(f"playwright.config.{e}" for e in _ENDINGS)
CYPRESS = tuple(f"cypress.config.{e}" for e in _ENDINGS)
JEST = tuple(f"jest.config.{e}" for e in _ENDINGS)
CONFTESTS = ("tests/conftest.py", "test/conftest.py", "conftest.py")
PYTEST = ("pytest.ini", "pyproject.toml", "setup.cfg", "tox.ini")
LOOKED_AT = (*PLAYWRIGHT, *CYPRESS, *JEST, *CONFTESTS, *PYTEST, "package.json")
"""Every file that decides, by its path from the project's root."""

JEST_SETUP = "jest.test-database.cjs"
_URL, _DATABASE = "TEST_BASE_URL", "TEST_DATABASE_URL"
_CONFTEST = """\
import os

# Tests run on the test database or not at all: without its address nothing is collected.
if not os.environ.get("TEST_DATABASE_URL"):
    raise RuntimeError("TEST_DATABASE_URL is not set: tests never fall back to another database")
os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
"""
_JEST_SETUP = """\
// Tests run on the test database or not at all.
if (!process.env.TEST_DATABASE_URL) {
  throw new Error("TEST_DATABASE_URL is not set: tests never fall back to another database");
}
process.env.DATABASE_URL = process.env.TEST_DATABASE_URL;
"""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One file as it could be. ``after`` is None where that is for a person to write; ``why`` says what is missing."""

    path: str
    before: str | None
    after: str | None
    why: str

    def diff(self) -> str:
        """The change as a unified diff; empty where there is none to offer."""
        if self.after is None:
            return ""
        old = (self.before or "").splitlines(keepends=True)
        source = f"a/{self.path}" if self.before is not None else "/dev/null"
        lines = difflib.unified_diff(old, self.after.splitlines(keepends=True), source, f"b/{self.path}")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def offers(files: Mapping[str, str]) -> tuple[Offer, ...]:
    """What is missing, from the texts of those of `LOOKED_AT` that are there."""
    found: list[Offer] = []
    for names, section, key in ((PLAYWRIGHT, "use", "baseURL"), (CYPRESS, "e2e", "baseUrl")):
        found += [
            _base_url(name, files[name], section, key) for name in names if name in files and _URL not in files[name]
        ]
    return (*found, *_conftest(files), *_jest(files))


def _base_url(path: str, text: str, section: str, key: str) -> Offer:
    """The address of the application comes from the environment; one that stands there is replaced."""
    why = f"{key} does not come from {_URL}"
    value = f"{key}: process.env.{_URL}"
    written = list(re.finditer(rf"\b{key}\s*:", text))
    if written:
        # One value that ends on its own line, and nothing else of that name: anything else is for a person.
        simple = re.search(rf"^([ \t]*){key}\s*:\s*(['\"`])[^'\"`\n$]*\2(,?)[ \t]*$", text, re.MULTILINE)
        if len(written) != 1 or simple is None:
            return Offer(path=path, before=text, after=None, why=f"{why}; write {value}")
        after = f"{text[: simple.start()]}{simple[1]}{value}{simple[3]}{text[simple.end() :]}"
        return Offer(path=path, before=text, after=after, why=why)
    after_section = _inserted(text, rf"\b{section}\s*:\s*\{{", f"{value},")
    return Offer(path=path, before=text, after=after_section, why=why if after_section else f"{why}; write {value}")


def _inserted(text: str, opening: str, line: str) -> str | None:
    """The text with a line as the first of an object that begins at the end of a line; None where that is not so."""
    found = list(re.finditer(rf"^([ \t]*)[^\n]*?{opening}[ \t]*\n([ \t]*)", text, re.MULTILINE))
    if len(found) != 1:
        return None
    (match,) = found
    indent = match[2] if len(match[2]) > len(match[1]) else f"{match[1]}  "
    at = match.end() - len(match[2])
    return f"{text[:at]}{indent}{line}\n{text[at:]}"


def _conftest(files: Mapping[str, str]) -> list[Offer]:
    conftests = [name for name in CONFTESTS if name in files]
    marks = ("[pytest]", "[tool.pytest", "[tool:pytest]")
    if not conftests and not any(mark in files.get(name, "") for name in PYTEST for mark in marks):
        return []
    if any(_DATABASE in files[name] for name in conftests):
        return []
    why = f"pytest runs without {_DATABASE}"
    if not conftests:
        return [Offer(path="conftest.py", before=None, after=_CONFTEST, why=why)]
    path = conftests[-1]  # the one nearest to the root is imported first
    text = files[path]
    # Behind what must stand first; before everything that could read the environment.
    head = re.match(
        r"(?:#[^\n]*\n|\s)*(?:(?P<q>\"\"\"|''')(?s:.*?)(?P=q)[ \t]*\n)?(?:\s*from __future__[^\n]*\n)*", text
    )
    at = head.end() if head else 0
    gap = "\n" if at else ""
    return [Offer(path=path, before=text, after=f"{text[:at]}{gap}{_CONFTEST}\n{text[at:]}", why=why)]


def _jest(files: Mapping[str, str]) -> list[Offer]:
    configs = [name for name in JEST if name in files]
    package = files.get("package.json", "")
    if not configs and not re.search(r'"jest"\s*:\s*\{', package):
        return []
    path = configs[0] if configs else "package.json"
    text = files[path]
    if JEST_SETUP in text or _DATABASE in text:
        return []
    why = f"Jest runs without {_DATABASE}"
    place = f'"<rootDir>/{JEST_SETUP}"'
    if "setupFiles:" in text or '"setupFiles"' in text:
        return [Offer(path=path, before=text, after=None, why=f"{why}; add {place} to setupFiles")]
    opening, key = (r'"jest"\s*:\s*\{', '"setupFiles"') if path == "package.json" else (_JEST_OPENING, "setupFiles")
    after = _inserted(text, opening, f"{key}: [{place}],")
    if after is None:
        return [Offer(path=path, before=text, after=None, why=f"{why}; add {key}: [{place}]")]
    if path == "package.json":
        after = re.sub(rf"({re.escape(place)}\]),(\s*\}})", r"\1\2", after)  # JSON has no comma before a brace
    setup = Offer(path=JEST_SETUP, before=None, after=_JEST_SETUP, why=why)
    return [Offer(path=path, before=text, after=after, why=why), setup]


_JEST_OPENING = r"(?:module\.exports\s*=|export default|\bconst config\b[^=\n]*=)\s*\{"
