"""What `ringfence init` writes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ringfence.config.load import parse
from ringfence.config.template import Place, gitignore_lines, initial_config, seed_scripts
from ringfence.errors import UsageError

WHERE = Path("/nowhere/ringfence.toml")


def test_the_seeds_file_loads_and_says_the_seeds_numbers() -> None:
    settings = parse(initial_config().encode(), WHERE)
    bare = parse(b'project = "inventory"\n[production]\n[test]\n', WHERE)
    assert (settings.production, settings.test, settings.backup) == (bare.production, bare.test, bare.backup)
    assert settings.verify.watch == bare.verify.watch
    assert settings.verify.rule_for("public", "Transaction").kind == "append-only"
    assert (settings.git.commit, settings.git.push) == (True, True)


@pytest.mark.parametrize("project", ["shop", "my-shop", "pg_x", "postgres", "a" * 63, "0"])
def test_any_projects_file_loads(project: str) -> None:
    text = initial_config(project, push=False)
    settings = parse(text.encode(), WHERE)
    assert settings.project == project
    assert settings.verify.watch == () and settings.verify.rules == {}
    assert settings.git.push is False
    assert "inventory" not in text and "SKU" not in text


def test_names_follow_from_the_project() -> None:
    settings = parse(initial_config("my-shop").encode(), WHERE)
    assert (settings.production.database, settings.test.database) == ("my_shop", "my_shop_test")
    assert (settings.production.app_role, settings.production.admin_role) == ("my_shop_app", "my_shop_admin")
    assert settings.test.role == "my_shop_test"


def test_the_file_for_containers_says_the_seeds_names() -> None:
    settings = parse(initial_config(production=Place(engine="docker"), test=Place(engine="docker")).encode(), WHERE)
    bare = parse(b'project = "inventory"\n[production]\nengine = "docker"\n[test]\nengine = "docker"\n', WHERE)
    assert (settings.production, settings.test) == (bare.production, bare.test)
    production, test = settings.production, settings.test
    assert (production.container, production.volume) == ("inventory-db-prod", "inventory_data_prod")
    assert (test.container, test.volume, test.image) == ("inventory-db-test", "inventory_data_test", "postgres:18")


def test_no_agent_is_active_and_the_examples_become_active_without_their_marks() -> None:
    text = initial_config()
    assert parse(text.encode(), WHERE).workflow.agents == ()
    active = re.sub(r"^# (\[\[workflow|name = |preset = |timeout_minutes = )", r"\1", text, flags=re.M)
    agents = parse(active.encode(), WHERE).workflow.agents
    assert [a.name for a in agents] == ["scout-and-plan", "build", "test-and-cleanup"]
    assert agents[1].preset == "claude" and agents[1].command[:2] == ("claude", "-p")


def test_the_file_is_readable() -> None:
    text = initial_config()
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert all(len(line) <= 120 and line == line.rstrip() for line in text.splitlines())
    sections = ["production", "test", "backup", "diff", "verify", "workflow", "sandbox", "roles", "git", "github"]
    assert list(tomllib.loads(text)) == ["project", *sections]


@pytest.mark.parametrize("project", ["", "A b", "../x", 'x"\n[git]'])
def test_a_name_that_cannot_be_is_refused(project: str) -> None:
    with pytest.raises(UsageError, match="project name"):
        initial_config(project)


def test_engines_that_do_not_exist_and_urls_that_cannot_be() -> None:
    for place, said in (
        (Place(engine="x"), "there is no engine 'x'"),
        (Place(engine="server"), 'engine "server" needs a url'),
        (Place(engine="docker", url="postgresql://h/d"), 'a url belongs to engine "server"'),
        (Place(engine="server", url="postgresql://u:secret@h/d"), "a password does not belong"),
        (Place(engine="server", url="postgresql://h/d?host=other"), "parameter host is not taken"),
    ):
        with pytest.raises(UsageError, match=said) as caught:
            initial_config(production=place)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://db.example", "postgresql://a%22b@[::1]:6543/shop?sslmode=verify-full"])
def test_the_file_for_an_existing_server_loads(url: str) -> None:
    production = parse(initial_config(production=Place(engine="server", url=url)).encode(), WHERE).production
    if url.endswith("example"):
        assert (production.db_port, production.admin_role, production.database) == (
            5432,
            "inventory_admin",
            "inventory",
        )
    else:
        assert (production.db_port, production.admin_role, production.database) == (6543, 'a"b', "shop")


def test_what_git_must_not_carry() -> None:
    assert gitignore_lines() == (".backups/", ".agents/outputs/", ".agents/timing/")


def test_the_scripts_of_the_seed_are_one_command_each() -> None:
    scripts = seed_scripts()
    assert list(scripts) == [
        "scripts/backup-production.sh",
        "scripts/reseed-test-database.sh",
        "scripts/setup-database-roles.sh",
        "scripts/verify-production-integrity.sh",
    ]
    commands = ["backup create", "reseed", "roles apply", "verify"]
    for text, command in zip(scripts.values(), commands, strict=True):
        first, comment, last = text.splitlines()
        assert (first, comment[:2]) == ("#!/bin/sh", "# ")
        assert last == f'exec ringfence {command} "$@"'
