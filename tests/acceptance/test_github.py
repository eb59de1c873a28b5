"""The issue of a run is told how it goes, in one comment; HALT and an empty test database get one of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.acceptance.project import Project
from tests.acceptance.runs import PRICES, go, resolve
from tests.cases.github_server import TOKEN, GitHub, github

REPOSITORY = '\n[github]\nrepository = "acme/shop"\n'


@pytest.fixture
def hub(shop: Project) -> Iterator[GitHub]:
    """The API that the command is led to, with a token."""
    with github() as served:
        before = dict(shop.environment)
        shop.environment |= {"GITHUB_API_URL": served.url, "GITHUB_TOKEN": TOKEN}
        try:
            yield served
        finally:
            shop.environment = before


def configure(shop: Project, name: str) -> None:
    initial = shop.base / "ringfence.toml.init"
    kept = initial.read_text()
    initial.write_text(kept.replace("\n[github] ", "\n# [github] ").replace("\ncomment = true", ""))
    try:
        shop.configure(name, extra=REPOSITORY)
    finally:
        initial.write_text(kept)


def test_one_comment_tells_the_whole_run(shop: Project, hub: GitHub) -> None:
    shop.agent("build", "sleep 0.5; echo hello > new.txt")
    configure(shop, "build")
    run = go(shop, "Prices", "--issue", "7")
    (text,) = hub.comments.values()
    assert set(hub.places.values()) == {"acme/shop#7"}
    assert text.startswith("### Ringfence: passed, production is unchanged, commit ")
    assert run["commit"][:12] in text and "pushed" in text
    for step in ("backup", "reseed", "agent build", "verify", "commit", "push"):
        assert f"| `{step}` | done |" in text, text
    assert run["id"] in text
    assert {method for method, _ in hub.requests[1:]} == {"PATCH"}, "edited in place"


def test_a_halt_gets_a_comment_of_its_own(shop: Project, hub: GitHub) -> None:
    shop.agent("build", shop.production_psql(PRICES))
    configure(shop, "build")
    run = go(shop, "Prices", "--issue", "7", code=3)
    first, second = hub.comments.values()
    (alarm,) = [t for t in (first, second) if t.startswith("### HALT")]
    assert 'table "SKU": 25 rows updated (100 rows before and after)' in alarm
    assert f"ringfence resolve {run['id']} --reason TEXT" in alarm
    assert "production is not shown to be unchanged" in first
    for password in shop.passwords():
        assert password not in first + second
    resolve(shop, run)


def test_an_empty_test_database_is_told_at_once(shop: Project, hub: GitHub) -> None:
    shop.agent("build", "echo hello > new.txt")
    configure(shop, "build")
    shop.sql("test", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    try:
        shop.refused("reseed", "--issue", "7", code=99)
        (text,) = hub.comments.values()
        assert text.startswith("### CATASTROPHIC FAILURE: test database inventory")
        hub.comments.clear()
        shop.refused("run", "Prices", "--issue", "7", code=99)
        assert any(t.startswith("### CATASTROPHIC FAILURE") for t in hub.comments.values())
    finally:
        shop.run("reseed", "--fresh-start")


@pytest.mark.long
def test_a_dead_server_changes_nothing_but_one_line(shop: Project) -> None:
    shop.agent("build", "echo hello > new.txt")
    configure(shop, "build")
    dead = {"GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_TOKEN": TOKEN}
    done = shop.run("run", "Prices", "--issue", "7", env=dead)
    assert "the issue could not be told: acme/shop#7: http://127.0.0.1:9 cannot be reached" in done.said
    assert TOKEN not in done.out + done.err
