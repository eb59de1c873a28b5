"""The compose file and the command line describe one and the same container."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from ringfence.engines.compose import Service, compose_text, network_words, run_words, volume_words

PRODUCTION = Service(
    project="inventory",
    environment="production",
    container="inventory-db-prod",
    volume="inventory_data_prod",
    image="postgres:18",
    port=4546,
)
TEST = replace(PRODUCTION, environment="test", container="inventory-db-test", volume="inventory_data_test", port=2346)


def options(words: tuple[str, ...]) -> dict[str, list[str]]:
    """The options of ``docker run``, each with all of its values."""
    found: dict[str, list[str]] = {}
    for name, value in itertools.pairwise(words):
        if name.startswith("--"):
            found.setdefault(name, []).append("" if value.startswith("--") else value)
    return found


def lines_of(text: str) -> dict[str, Any]:
    """The lines ``key: value`` of a compose file whose keys occur once in it."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        key, colon, value = line.strip().partition(": ")
        if colon and not key.startswith("#") and key not in found:
            found[key] = json.loads(value) if value[:1] in '"{' else value
    return found


@pytest.mark.parametrize("service", [PRODUCTION, TEST])
def test_both_ways_make_the_same(service: Service) -> None:
    text, given = compose_text(service), options(run_words(service, "/env"))
    file = lines_of(text)
    assert [file["container_name"]] == given["--name"] == [service.container]
    assert [file["restart"]] == given["--restart"]
    assert f'- "{given["--publish"][0]}"' in text and given["--publish"] == [f"127.0.0.1:{service.port}:5432"]
    assert given["--volume"] == [f"{service.volume}:/var/lib/postgresql"] and '"data:/var/lib/postgresql"' in text
    assert f'name: "{service.volume}"' in text and f'name: "{service.network}"' in text
    assert given["--network"] == [service.network]
    assert given["--env"] == [f"PGDATA={file['PGDATA']}"]
    assert given["--health-cmd"][0] in text
    assert (given["--shm-size"], given["--stop-signal"]) == ([file["shm_size"]], [file["stop_signal"]])
    assert {f"{name}={value}" for name, value in file["labels"].items()} == set(given["--label"])
    assert run_words(service, "/env")[-1] == file["image"] == service.image


def test_production_comes_back_and_its_volume_is_nobodys_to_remove() -> None:
    assert "external: true" in compose_text(PRODUCTION) and "external" not in compose_text(TEST)
    assert lines_of(compose_text(PRODUCTION))["restart"] == "unless-stopped"
    assert lines_of(compose_text(TEST))["restart"] == "no"


def test_the_environments_share_nothing() -> None:
    for made in (compose_text, volume_words, network_words):
        production, test = str(made(PRODUCTION)), str(made(TEST))
        for name in ("inventory-db-prod", "inventory_data_prod", "inventory-net-prod", "4546", "inventory-production"):
            assert name not in test
        for name in ("inventory-db-test", "inventory_data_test", "inventory-net-test", "2346", "inventory-test"):
            assert name not in production


def test_no_secret_and_no_path_of_a_machine() -> None:
    for service in (PRODUCTION, TEST):
        text = compose_text(service)
        assert "POSTGRES_PASSWORD=…" in text and text.count("PASSWORD") == 1
        where = f"${{XDG_CONFIG_HOME:-${{HOME}}/.config}}/ringfence/inventory/docker-{service.environment}.env"
        assert f'- "{where}"' in text
