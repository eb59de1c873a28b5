"""The record of which databases production and test are."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from types import SimpleNamespace

import pytest
from tests.unit.workflow.test_checklist import PRODUCTION

from ringfence.errors import IdentityError
from ringfence.workflow import known

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
ANOTHER = dataclasses.replace(PRODUCTION, system_identifier="7")


@pytest.fixture
def project(tmp_path):
    paths = SimpleNamespace(identities=tmp_path / "identities.json", state_directory=tmp_path)
    return SimpleNamespace(paths=paths, database=lambda environment: f"shop_{environment}")


def test_production_is_its_server_and_its_database():
    recorded = known.of("production", PRODUCTION, database="shop", now=NOW)
    assert known.difference(recorded, PRODUCTION) is None
    assert known.difference(recorded, dataclasses.replace(PRODUCTION, database="renamed")) is None
    assert "7000000000000000001 is on record" in str(known.difference(recorded, ANOTHER))
    assert "oid 5; 16384 is on record" in str(
        known.difference(recorded, dataclasses.replace(PRODUCTION, database_oid=5))
    )
    assert "known since 2026-11-24T12:00:00Z" in recorded.describe()


def test_test_is_its_server_alone():
    recorded = known.of("test", PRODUCTION, database="shop_test", now=NOW)
    assert known.difference(recorded, dataclasses.replace(PRODUCTION, database_oid=5)) is None
    assert known.difference(recorded, ANOTHER) is not None


def test_what_is_recorded_is_required(project):
    assert known.read(project) == {}
    with pytest.raises(IdentityError, match="no identity of production is on record"):
        known.require(project, "production", PRODUCTION)
    known.remember(project, "production", PRODUCTION)
    known.remember(project, "test", ANOTHER)
    known.require(project, "production", PRODUCTION)
    with pytest.raises(IdentityError, match="production is another database than it was") as caught:
        known.require(project, "production", ANOTHER)
    assert "--accept-new-identity" in str(caught.value.hint) and caught.value.exit_code == 7
    known.remember(project, "production", ANOTHER)
    known.require(project, "production", ANOTHER)
    assert known.read(project)["test"].database_oid is None
    assert oct(project.paths.identities.stat().st_mode & 0o777) == "0o600"


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: "{",
        lambda d: "[]",
        lambda d: json.dumps(d | {"schema": 2}),
        lambda d: json.dumps(d | {"production": {}}),
        lambda d: json.dumps(d | {"production": d["production"] | {"database_oid": "16384"}}),
        lambda d: json.dumps(d | {"production": d["production"] | {"database_oid": True}}),
        lambda d: json.dumps(d | {"production": d["production"] | {"system_identifier": 7}}),
        lambda d: json.dumps(d | {"production": d["production"] | {"since": "yesterday"}}),
    ],
)
def test_a_damaged_record_is_refused_and_never_taken_for_none(project, damage):
    known.remember(project, "production", PRODUCTION)
    document = json.loads(project.paths.identities.read_text())
    project.paths.identities.write_text(damage(document))
    with pytest.raises(IdentityError, match="cannot be read"):
        known.read(project)
    with pytest.raises(IdentityError):
        known.remember(project, "production", PRODUCTION)
