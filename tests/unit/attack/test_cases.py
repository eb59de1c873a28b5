"""The cases as data: they can be read, they are whole, and a mistake in them is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ringfence.attack import cases
from ringfence.attack.cases import filled, parse

INCIDENTS = Path(__file__).parents[4] / "shared" / "cases" / "incidents.md"
DAMAGE = {"id": "d", "title": "t", "sql": ["SELECT 1"]}
CASE = {"id": "A", "title": "t", "command": "psql", "damage": "d"}


def test_the_cases_that_come_with_the_product() -> None:
    found = cases.load()
    assert len(found.cases) >= 60
    assert len(found.benign) >= 20 and sum(b.runs for b in found.benign) >= 8
    assert {c.damage for c in found.cases} - {None} == set(found.damages), "every damage is done by some case"


def test_the_quick_part_has_every_special_damage_but_no_layer_is_left_out() -> None:
    found = cases.load()
    quick = found.quick()
    assert 8 <= len(quick.cases) < len(found.cases) / 3
    special = {d.special for d in found.damages.values()}
    assert {found.damages[c.damage].special for c in quick.cases if c.damage} == special
    assert len(quick.benign) == len(found.benign) and any(b.runs for b in quick.benign)


def test_every_reported_incident_is_a_case_with_a_damage_of_its_own() -> None:
    if not INCIDENTS.exists():
        pytest.skip(f"no reports in {INCIDENTS.parent} (not part of the project)")
    rows = [line.split("|")[1].strip() for line in INCIDENTS.read_text("utf-8").splitlines() if line.startswith("|")][
        2:
    ]
    tried = [c.report for c in cases.load().cases if c.report]
    assert sorted(rows) == sorted(tried)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"case": [CASE]}, "there is no damage 'd'"),
        ({"damage": [DAMAGE], "case": [CASE, CASE]}, "there twice: ['A']"),
        ({"damage": [DAMAGE], "case": [{**CASE, "act": "true"}]}, "nothing shows that it gets through"),
        ({"damage": [{"id": "d", "title": "t"}]}, "either statements or something special"),
        ({"damage": [{**DAMAGE, "special": "files lost"}]}, "either statements or something special"),
    ],
)
def test_a_mistake_is_named(document: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse([document])


def test_places_are_filled_and_an_unknown_one_is_a_mistake() -> None:
    assert filled("psql -p @PORT@ a@example.org", {"PORT": "4546"}) == "psql -p 4546 a@example.org"
    with pytest.raises(ValueError, match="@POTR@"):
        filled("psql -p @POTR@", {"PORT": "4546"})
