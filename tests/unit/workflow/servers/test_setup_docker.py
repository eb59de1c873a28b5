"""What goes into ringfence.toml of a container that is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.engines.test_containers import document

from ringfence.config.load import parse
from ringfence.config.template import Place, initial_config
from ringfence.engines import containers
from ringfence.engines.containers import Mount
from ringfence.engines.model import Listening
from ringfence.errors import EngineError
from ringfence.workflow.servers.setup_docker import described, look

NEW = Place(engine="docker")


def test_what_it_says_of_itself_is_taken() -> None:
    mounts = (Mount(volume="shop_data", source="/v", destination="/data"),)
    shop = replace(
        containers.read(document()), mounts=mounts, environment={"PGDATA": "/data/pg", "POSTGRES_DB": 'Shop "1"'}
    )
    adopted = described(shop, NEW)
    assert adopted.notes == (
        'there is a container shop-db; taken from it: db_port 4546, volume shop_data, database Shop "1"',
    )
    text = initial_config("shop", production=adopted.place, test=NEW)
    settings = parse(text.encode(), Path("/x/ringfence.toml"))
    production = settings.production
    assert (production.container, production.volume, production.db_port, production.database, production.image) == (
        *("shop-db", "shop_data", 4546, 'Shop "1"', "postgres:18"),
    )
    assert (settings.test.container, settings.test.database) == ("shop-db-test", "shop_test")


@pytest.mark.parametrize(
    ("environment", "database"),
    [({"POSTGRES_USER": "app"}, "app"), ({"POSTGRES_USER": "app", "POSTGRES_DB": "d"}, "d"), ({}, None)],
)
def test_its_database_is_the_one_the_image_made(environment: dict[str, str], database: str | None) -> None:
    adopted = described(replace(containers.read(document()), environment=environment), NEW)
    assert adopted.place.database == database
    assert any("set database under [production]" in note for note in adopted.notes) is (database is None)


def test_what_it_does_not_say_is_named() -> None:
    found = replace(containers.read(document()), published=(), mounts=())
    told = "\n".join(described(found, NEW).notes)
    assert "publishes no port of PostgreSQL: set db_port" in told and "give it a volume first" in told
    two = replace(found, published=tuple((5432, Listening(host="127.0.0.1", port=p)) for p in (1, 2)))
    assert "publishes several ports (1, 2)" in described(two, NEW).notes[1]
    other = replace(found, environment={"PGPORT": "6000"}, published=((6000, Listening(host="::1", port=3)),))
    assert described(other, NEW).place.port == 3


def test_without_an_engine_only_a_container_that_was_named_is_missed() -> None:
    nowhere = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    assert look("shop-db", NEW, nowhere, asked=False) is None
    with pytest.raises(EngineError):
        look("shop-db", NEW, nowhere, asked=True)
