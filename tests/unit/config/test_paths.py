"""Where a project's files lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.config.load import parse
from ringfence.config.model import Settings
from ringfence.config.paths import paths_for
from ringfence.errors import ConfigError


@pytest.fixture
def settings() -> Settings:
    return parse(b'project = "shop"\n[production]\n[test]\n', Path("/srv/shop/ringfence.toml"))


def test_the_defaults_of_the_specification(settings: Settings) -> None:
    paths = paths_for(settings, {"HOME": "/home/ada"})
    assert paths.pgpass == Path("/home/ada/.config/ringfence/shop/pgpass")
    assert paths.state_directory == Path("/home/ada/.local/state/ringfence/shop")
    assert paths.runs == Path("/home/ada/.local/state/ringfence/shop/runs")
    assert paths.manifests == Path("/home/ada/.local/state/ringfence/shop/manifests")
    assert paths.lock_file == Path("/home/ada/.local/state/ringfence/shop/lock")
    assert paths.data("production") == Path("/home/ada/.local/share/ringfence/shop/production")
    assert paths.data("test") == Path("/home/ada/.local/share/ringfence/shop/test")
    assert paths.backups == Path("/srv/shop/.backups")


XDG = {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "XDG_DATA_HOME": "/d"}


def test_the_variables_of_the_specification(settings: Settings) -> None:
    paths = paths_for(settings, XDG)
    assert paths.config_directory == Path("/c/ringfence/shop")
    assert paths.state_directory == Path("/s/ringfence/shop")
    assert paths.data_directory == Path("/d/ringfence/shop")


@pytest.mark.parametrize("value", ["", "relative", "./x", "~/x"])
def test_a_value_that_is_not_absolute_is_ignored(settings: Settings, value: str) -> None:
    paths = paths_for(settings, {"HOME": "/home/ada", "XDG_CONFIG_HOME": value})
    assert paths.config_directory == Path("/home/ada/.config/ringfence/shop")


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "ada"}, {**XDG, "XDG_STATE_HOME": "x"}])
def test_home_is_needed_where_a_variable_is_missing(settings: Settings, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="HOME"):
        paths_for(settings, environ)


@pytest.mark.parametrize("name", sorted(XDG))
def test_nothing_private_lies_where_agents_may_write(settings: Settings, name: str) -> None:
    with pytest.raises(ConfigError, match="lies in the work tree") as caught:
        paths_for(settings, {**XDG, name: "/srv/shop/.state"})
    assert name in (caught.value.hint or "")
    assert caught.value.exit_code == 2


def test_a_directory_beside_the_work_tree_is_fine(settings: Settings) -> None:
    assert paths_for(settings, {**XDG, "XDG_STATE_HOME": "/srv/shop-state"}).runs.parent.parent.parent == Path(
        "/srv/shop-state"
    )
