"""The example application and its own end-to-end tests in a real browser, on environments that the product made."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.project import SYSTEM_PATH, Project, new_project, wait_for
from tests.acceptance.runs import go, steps
from tests.e2e.conftest import NAMES

EXAMPLE = Path(__file__).parents[2] / "examples" / "inventory"


def chromium() -> str:
    found = next((f for name in NAMES if (f := shutil.which(name, path=SYSTEM_PATH))), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    return found


@pytest.fixture(scope="module")
def inventory() -> Iterator[Project]:
    """The example as a project: its data in production, a repository, a test database made from a backup."""
    browser = chromium()
    npm = shutil.which("npm", path=SYSTEM_PATH)
    if npm is None:
        pytest.skip("no npm on this machine")
    with new_project() as project:
        project.sandbox = "auto"
        shutil.copytree(
            EXAMPLE, project.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "__pycache__")
        )
        ignored = (project.root / ".gitignore").read_text()
        project.write_config()
        with (project.root / ".gitignore").open("a") as file:
            file.write(ignored)
        project.make_repository()
        project.up()
        project.psql("production", EXAMPLE / "database/schema.sql", EXAMPLE / "database/sample.sql")
        install = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error"]
        # The registry as this machine's user has it configured.
        environment = {**os.environ, "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}
        subprocess.run(install, cwd=project.root, env=environment, check=True, capture_output=True, timeout=300)
        project.environment["CHROMIUM_PATH"] = browser
        project.run("backup", "create")
        project.run("reseed", "--fresh-start")
        yield project


@contextlib.contextmanager
def served(project: Project, environment: str, role: str) -> Iterator[str]:
    """The application on a database of the project; the address of its pages."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database = project.database(environment)  # type: ignore[arg-type]
    url = f"postgresql://{role}@127.0.0.1:{project.ports[environment]}/{database}"
    line = [sys.executable, "-m", "shop", "--port", str(port)]
    variables = {**project.environment, "DATABASE_URL": url, "PGPASSFILE": str(project.pgpass)}
    child = subprocess.Popen(line, cwd=project.root, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert child.stdout is not None
        said = child.stdout.readline().decode()
        assert f"shows the database {database}" in said, said
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(10)
        if child.stdout is not None:
            child.stdout.close()


def test_its_own_tests_pass_in_a_real_browser(inventory: Project) -> None:
    before = inventory.contents("production")
    with served(inventory, "test", "inventory_test") as address:
        done = subprocess.run(
            ["npx", "--no-install", "playwright", "test"],
            cwd=inventory.root,
            env={**inventory.environment, "TEST_BASE_URL": address},
            capture_output=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert "8 passed" in done.stdout.decode()
    assert inventory.contents("production") == before, "tests change the test database and nothing else"


def test_in_production_it_works_without_a_right_to_delete(inventory: Project) -> None:
    with served(inventory, "production", "inventory_app") as address:
        page = urllib.request.urlopen(f"{address}/components", timeout=20).read().decode()
    assert "LED, white, 3 W" in page and 'class="place live">inventory<' in page
    refused = "permission denied"
    with pytest.raises(Exception, match=refused):
        inventory.sql("production", 'DELETE FROM "Transaction"', role="inventory_app")


def test_it_passes_its_own_lint(inventory: Project) -> None:
    assert inventory.json("lint")["findings"] == []


FEATURE = r"""
cat > e2e/price.spec.ts <<'TS'
import { expect, test } from '@playwright/test';

test('products can be listed up to a price', async ({ page }) => {
  await page.goto('/skus?up_to=30');
  await expect(page.getByRole('article', { name: 'Back light 20 lux' })).toBeVisible();
  await expect(page.getByRole('article', { name: 'Front light 100 lux' })).toHaveCount(0);
});
TS
python3 - <<'PY'
path = "shop/web.py"
text = open(path).read()
old = 'return self._page(start, "skus.html", **notice, skus=store.skus())'
assert old in text
new = '''limit = said.get("up_to", [""])[0]
            skus = [s for s in store.skus() if not limit.isdigit() or s["price"] <= int(limit)]
            return self._page(start, "skus.html", **notice, skus=skus)'''
open(path, "w").write(text.replace(old, new))
PY
"$SHOP_PYTHON" -m shop --port "${TEST_BASE_URL##*:}" > /tmp/shop.log 2>&1 &
for _ in $(seq 100); do grep -q "shows the database inventory_test" /tmp/shop.log && break; sleep 0.1; done
TEST_OUTPUT_DIR=/tmp/results npx --no-install playwright test
"""


def test_the_whole_story_of_a_feature(inventory: Project) -> None:
    """A run whose agent adds a feature and its test, runs all tests against the test environment, and is published."""
    inventory.agent("build", FEATURE)
    inventory.environment |= {"SHOP_PYTHON": sys.executable}
    python = str(Path(sys.prefix).resolve())
    initial = inventory.base / "ringfence.toml.init"
    kept = initial.read_text()
    text = kept.replace("pass_environment = []", 'pass_environment = ["CHROMIUM_PATH", "SHOP_PYTHON"]')
    assert text != kept
    places = f'allow_read = ["{inventory.scripts}", "{python}", "{Path(sys.base_prefix).resolve()}"]'
    text = text.replace("[sandbox]", f"[sandbox]\n{places}", 1)
    initial.write_text(text)
    try:
        inventory.configure("build", timeout_minutes=5)
    finally:
        initial.write_text(kept)
    inventory.commit_all("The example, protected")
    before = inventory.contents("production")
    run = go(inventory, "List products up to a price", "--issue", "12")
    output = (inventory.root / run["agents"][0]["output_file"]).read_text()
    assert "9 passed" in output
    assert steps(run)[-4:] == ["verify done", "commit done", "push done", "checklist done"]
    assert run["verdict"]["verdict"] == "unchanged" and inventory.contents("production") == before
    assert inventory.files_of(run["commit"]) == {"e2e/price.spec.ts", "shop/web.py"}
    assert inventory.remote_head() == run["commit"]
    wait_for(lambda: not inventory.agent_processes(), "the application that the agent started to be gone")
