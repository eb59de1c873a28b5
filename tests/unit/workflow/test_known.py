"""The record of which databases production and test are."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from types import SimpleNamespace

import pytest
from tests.unit.workflow.checks.test_checklist import PRODUCTION

from ringfence.engines.model import Place
from ringfence.errors import IdentityError
from ringfence.workflow import known
from ringfence.workflow.known import Seen

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
ANOTHER = dataclasses.replace(PRODUCTION, system_identifier="7")


@pytest.fixture
def project(tmp_path):
    paths = SimpleNamespace(identities=tmp_path / "identities.json", state_directory=tmp_path)
    return SimpleNamespace(paths=paths, database=lambda environment: f"shop_{environment}")


def seen(identity=PRODUCTION, **other):
    return Seen(identity=identity, **other)


HERE = Seen(identity=PRODUCTION, position=0x2_0000_0010, place=Place(name="/srv/data", device=1, inode=7))


def test_production_is_its_server_and_its_database():
    recorded = known.of("production", seen(), database="shop", now=NOW)
    assert known.difference(recorded, seen()) is None
    assert known.difference(recorded, seen(dataclasses.replace(PRODUCTION, database="renamed"))) is None
    assert "7000000000000000001 is on record" in str(known.difference(recorded, seen(ANOTHER)))
    other_oid = seen(dataclasses.replace(PRODUCTION, database_oid=5))
    assert "oid 5; 16384 is on record" in str(known.difference(recorded, other_oid))
    assert known.server_difference(recorded, other_oid) is None, "a restore replaces the database"
    assert "known since 2026-11-24T12:00:00Z" in recorded.describe()


def test_test_is_its_server_alone():
    recorded = known.of("test", seen(), database="shop_test", now=NOW)
    assert known.difference(recorded, seen(dataclasses.replace(PRODUCTION, database_oid=5))) is None
    assert known.difference(recorded, seen(dataclasses.replace(PRODUCTION, timeline=9))) is None
    assert known.difference(recorded, seen(ANOTHER)) is not None


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (HERE, None),
        (dataclasses.replace(HERE, position=HERE.position + 1), None),
        (dataclasses.replace(HERE, position=HERE.position - 1), "WAL ends at 2/F, and was at 2/10 already"),
        (
            dataclasses.replace(HERE, identity=dataclasses.replace(PRODUCTION, timeline=2)),
            "a standby that was promoted",
        ),
        (dataclasses.replace(HERE, identity=dataclasses.replace(PRODUCTION, in_recovery=True)), "it is a standby"),
        # A machine that was started again numbers its devices otherwise; a directory may be moved in its file system.
        (dataclasses.replace(HERE, place=Place(name="/srv/data", device=2, inode=7)), None),
        (dataclasses.replace(HERE, place=Place(name="/srv/moved", device=1, inode=7)), None),
        (dataclasses.replace(HERE, place=Place(name="/srv/other", device=2, inode=7)), "a copy of the files"),
        (dataclasses.replace(HERE, place=Place(name="/srv/data", device=1, inode=8)), "a copy of the files"),
        (dataclasses.replace(HERE, place=Place(name="/srv/data", device=None, inode=None)), None),
        (dataclasses.replace(HERE, place=Place(name="other", device=None, inode=None)), "a copy of the files"),
        (dataclasses.replace(HERE, place=None), "cannot be seen"),
    ],
)
def test_copies_of_production_are_told_from_it(now, says):
    recorded = known.of("production", HERE, database="shop", now=NOW)
    found = known.difference(recorded, now)
    assert found is None if says is None else says in str(found), found


def test_a_record_of_an_earlier_version_is_taken_as_it_is(project):
    known.remember(project, "production", HERE)
    document = json.loads(project.paths.identities.read_text())
    for key in ("timeline", "position", "place"):
        del document["production"][key]
    project.paths.identities.write_text(json.dumps(document))
    recorded = known.read(project)["production"]
    assert (recorded.timeline, recorded.place) == (None, None)
    known.require("production", recorded, HERE)


def test_what_is_recorded_is_required(project):
    assert known.read(project) == {}
    with pytest.raises(IdentityError, match="no identity of production is on record"):
        known.require("production", None, HERE)
    known.remember(project, "production", HERE)
    known.remember(project, "test", seen(ANOTHER))
    recorded = known.read(project)["production"]
    assert (recorded.timeline, recorded.position, recorded.place) == (PRODUCTION.timeline, HERE.position, HERE.place)
    known.require("production", recorded, HERE)
    with pytest.raises(IdentityError, match="production is another database than it was") as caught:
        known.require("production", recorded, seen(ANOTHER))
    assert "--accept-new-identity" in str(caught.value.hint) and caught.value.exit_code == 7
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
        lambda d: json.dumps(d | {"production": d["production"] | {"timeline": "1"}}),
        lambda d: json.dumps(d | {"production": d["production"] | {"position": 0}}),
        lambda d: json.dumps(d | {"production": d["production"] | {"place": "/srv"}}),
        lambda d: json.dumps(d | {"production": d["production"] | {"place": {"name": "", "device": 1, "inode": 1}}}),
    ],
)
def test_a_damaged_record_is_refused_and_never_taken_for_none(project, damage):
    known.remember(project, "production", HERE)
    document = json.loads(project.paths.identities.read_text())
    project.paths.identities.write_text(damage(document))
    with pytest.raises(IdentityError, match="cannot be read"):
        known.read(project)
    with pytest.raises(IdentityError):
        known.remember(project, "production", HERE)
