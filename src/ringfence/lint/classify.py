"""Which files are tests, end-to-end tests, set-up of tests, and what language they are in (pure)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ringfence.lint.model import Code, Language

_LANGUAGES: dict[str, Language] = {
    ".ts": "typescript", ".tsx": "typescript", ".mts": "typescript", ".cts": "typescript",
    ".js": "javascript", ".jsx": "javascript", ".mjs": "javascript", ".cjs": "javascript",
    ".py": "python", ".pyi": "python", ".sh": "shell", ".bash": "shell", ".zsh": "shell",
    ".yml": "yaml", ".yaml": "yaml", ".json": "json", ".md": "markdown", ".mdc": "markdown", ".toml": "toml",
}  # fmt: skip
_E2E_PARTS = frozenset({"e2e", "e2e-tests", "end-to-end", "playwright", "cypress"})
_TEST_PARTS = frozenset({"test", "tests", "__tests__", "spec", "specs", *_E2E_PARTS})
_E2E_NAME = re.compile(r"\.(e2e|e2e-spec|e2e-test|cy|pw)\.[cm]?[jt]sx?$|^(playwright|cypress)\.config\.")
_TEST_NAME = re.compile(
    r"\.(test|spec)\.[cm]?[jt]sx?$|^test_.*\.py$|_test\.py$|^conftest\.py$"
    r"|^(playwright|cypress|vitest|jest)\.(config|setup)\.|^(jest|vitest)[.-]setup\.|^global-?setup\."
)
_E2E_IMPORTS = re.compile(r"^(@playwright/|playwright(\.|$)|cypress|selenium(\.|$)|puppeteer|pytest_playwright)")
_SET_UP = re.compile(
    r"^conftest\.py$|^(playwright|cypress|vitest|jest)\.(config|setup)\.|^(jest|vitest)[.-]setup\.|^global-?(setup|teardown)\."
    r"|^setup[.-]?tests?\.",
    re.IGNORECASE,
)
# Instructions for agents: what stands in their code blocks is done.
_INSTRUCTIONS = re.compile(
    r"(^|/)(CLAUDE|AGENTS|GEMINI)\.md$|(^|/)\.(claude|cursor|github|codex|gemini)/.*\.mdc?$|(^|/)docs/agents/"
)


def language_of(path: str) -> Language | None:
    """The language of a file by its name; None for files that no rule reads."""
    name = PurePosixPath(path).name
    if name.startswith(".env") or name.endswith(".env"):
        return "dotenv"
    if name in ("Makefile", "makefile", "GNUmakefile", "justfile", "Justfile"):
        return "make"
    found = _LANGUAGES.get(PurePosixPath(path).suffix.lower())
    if found == "markdown" and not _INSTRUCTIONS.search(path):
        return None
    if found == "toml" and name not in ("pyproject.toml",):
        return None
    return found


def is_e2e(code: Code) -> bool:
    """Whether a file drives a browser: by where it lies, by its name, or by what it imports."""
    if code.language not in ("typescript", "javascript", "python"):
        return False
    path = PurePosixPath(code.path)
    if _E2E_PARTS & {p.lower() for p in path.parts[:-1]} or _E2E_NAME.search(path.name):
        return True
    return is_test(code) and any(_E2E_IMPORTS.match(name) for name in code.imports)


def is_test(code: Code) -> bool:
    """Whether a file is test code: it runs when tests run."""
    path = PurePosixPath(code.path)
    if _TEST_NAME.search(path.name) or _E2E_NAME.search(path.name):
        return True
    return code.language in ("typescript", "javascript", "python", "json", "yaml", "shell", "dotenv") and bool(
        _TEST_PARTS & {p.lower() for p in path.parts[:-1]}
    )


def is_set_up(code: Code) -> bool:
    """Whether a file prepares tests: what it loads, every test has."""
    return bool(_SET_UP.search(PurePosixPath(code.path).name)) or (is_test(code) and "setup" in code.path.lower())


def is_playwright_config(code: Code) -> bool:
    """``playwright.config.ts`` and its sisters."""
    return PurePosixPath(code.path).name.startswith("playwright.config.")


def is_compose(code: Code) -> bool:
    """A compose file by its name, or a YAML file with services in it."""
    name = PurePosixPath(code.path).name
    return code.language == "yaml" and bool(re.match(r"(docker-)?compose\b.*\.ya?ml$", name))
