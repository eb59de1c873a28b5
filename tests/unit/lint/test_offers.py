from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ringfence.lint.offers import JEST_SETUP, offers

PLAYWRIGHT = """\
import { defineConfig } from '@playwright/test';
export default defineConfig({
  testDir: './e2e',
  use: {
    trace: 'on',
  },
});
"""
CYPRESS = "module.exports = {\n  e2e: {\n    baseUrl: 'http://localhost:4545',\n  },\n};\n"
JEST = "module.exports = {\n  testEnvironment: 'node',\n};\n"


def only(files: dict[str, str]):
    (offer,) = offers(files)
    return offer


def test_playwright_gets_its_base_url_from_the_environment() -> None:
    offer = only({"playwright.config.ts": PLAYWRIGHT})
    assert "  use: {\n    baseURL: process.env.TEST_BASE_URL,\n    trace: 'on',\n" in offer.after
    assert offer.diff().startswith("--- a/playwright.config.ts\n+++ b/playwright.config.ts\n@@")
    assert "+    baseURL: process.env.TEST_BASE_URL,\n" in offer.diff()


def test_an_address_that_stands_there_is_replaced() -> None:
    offer = only({"cypress.config.js": CYPRESS})
    assert "    baseUrl: process.env.TEST_BASE_URL,\n" in offer.after and "4545" not in offer.after


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("playwright.config.ts", PLAYWRIGHT.replace("trace: 'on'", "baseURL: host + ':4545'")),
        ("playwright.config.ts", PLAYWRIGHT.replace("trace: 'on'", "baseURL: 'a',\n baseURL: 'b'")),
        ("playwright.config.ts", PLAYWRIGHT.replace("trace: 'on'", "baseURL: `http://${host}`")),
        ("playwright.config.ts", "export default {};\n"),
        ("playwright.config.ts", "use: { a: 1 }\n"),
        ("cypress.config.ts", "e2e: {\n},\ncomponent: {},\ne2e: {\n}\n"),
        ("jest.config.js", JEST.replace("testEnv", "setupFiles: ['./a.js'],\n  testEnv")),
        ("jest.config.ts", "export default createConfig();\n"),
    ],
)
def test_what_does_not_read_as_expected_is_left_to_a_person(name: str, text: str) -> None:
    offer = only({name: text})
    assert offer.after is None and offer.diff() == "" and ("TEST_" in offer.why)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"playwright.config.ts": "use: { baseURL: process.env.TEST_BASE_URL }"},
        {"conftest.py": "import os\nURL = os.environ['TEST_DATABASE_URL']\n"},
        {"pyproject.toml": "[project]\nname = 'x'\n", "package.json": '{"name": "x"}'},
        {"jest.config.js": f"module.exports = {{ setupFiles: ['<rootDir>/{JEST_SETUP}'] }}"},
    ],
)
def test_nothing_is_offered_where_nothing_is_missing(files: dict[str, str]) -> None:
    assert offers(files) == ()


def test_after_a_change_nothing_more_is_offered() -> None:
    files = {
        "playwright.config.ts": PLAYWRIGHT,
        "cypress.config.js": CYPRESS,
        "jest.config.js": JEST,
        "conftest.py": '"""Doc."""\nfrom __future__ import annotations\nimport app\n',
    }
    for offer in offers(files):
        assert offer.after is not None
        files[offer.path] = offer.after
    assert offers(files) == ()
    lines = files["conftest.py"].splitlines()
    assert lines[:2] == ['"""Doc."""', "from __future__ import annotations"] and lines[-1] == "import app"
    compile(files["conftest.py"], "conftest.py", "exec")


def test_jest_in_package_json_stays_json() -> None:
    for inside in ('\n    "testEnvironment": "node"\n  ', "\n  "):
        text = '{\n  "name": "x",\n  "jest": {' + inside + "}\n}\n"
        changed = {offer.path: offer.after for offer in offers({"package.json": text})}
        assert json.loads(changed["package.json"] or "")["jest"]["setupFiles"] == [f"<rootDir>/{JEST_SETUP}"]


def test_pytest_refuses_without_the_test_database(tmp_path: Path) -> None:
    offer = only({"pytest.ini": "[pytest]\n"})
    assert offer.path == "conftest.py" and offer.after is not None
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(offer.after)
    same = "import os\ndef test_it():\n    assert os.environ['DATABASE_URL'] == 'postgresql://test'\n"
    (tmp_path / "test_it.py").write_text(same)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    for variables, code in (({}, 4), ({"TEST_DATABASE_URL": "postgresql://test"}, 0)):
        done = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, check=False, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
