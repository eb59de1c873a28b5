"""Changes of every kind to a database with every kind of object: each is found, named, and nothing else is.

After each change production is made anew from a copy, under the same oid, so that it is the same database again.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.acceptance.project import Project, words_of
from tests.cases.mutations import MUTATIONS, Mutation

CHOSEN = {
    "rows": "D01 D02 D03 D04 D06 D09 D12 D14 D16 D17 D18 D21 D24 D27 D28 D32 D37 D43 D45 D46 D47",
    "schema": "S04 S07 S10 S13 S15 S16 S22 S27 S38 S39 S41 S43 S46 S52 S70",
    "role": "R02 R03 R09 R14",
    "setting": "T01 T03 T14",
    "sequence": "Q01 Q08 Q09 Q10",
    "large-object": "L01 L05",
}
BY_DEFAULT = frozenset(["D01", "D14", "D28", "S10", "S41", "R02", "R14", "T01", "Q09", "L01"])
"""One or two of each; every other one is among the long tests, and read by the room itself in tests/postgres."""
IDS = {word for words in CHOSEN.values() for word in words.split()}
UNDO = {
    "R02": "ALTER ROLE inventory_app NOSUPERUSER",
    "R09": "ALTER ROLE inventory_app NOBYPASSRLS",
    "R14": "REVOKE inventory_owner FROM inventory_app",
    "T01": "ALTER ROLE inventory_app RESET search_path",
}
"""Roles are the server's and not the database's, so making the database anew does not undo these."""


def test_there_are_at_least_forty():
    assert len(IDS & {m.id for m in MUTATIONS}) == len(IDS) >= 40


@pytest.fixture
def production(sample) -> Iterator[Project]:
    """The sample; afterwards its database is as it was at the backup."""
    password = "SELECT rolpassword FROM pg_authid WHERE rolname = 'inventory_app'"
    before = sample.sql("production", password)[0][0]
    yield sample
    sample.reset_production()
    sample.sql("production", f"ALTER ROLE inventory_app PASSWORD '{before}'")


@pytest.mark.parametrize(
    "mutation",
    [
        pytest.param(m, marks=[] if m.id in BY_DEFAULT else [pytest.mark.long], id=f"{m.id} {m.title[:40]}")
        for m in MUTATIONS
        if m.id in IDS
    ],
)
def test_a_change_is_found(production: Project, mutation: Mutation):
    try:
        with production.connect("production") as connection:
            connection.execute("SET search_path = public")
            for statement in mutation.sql:
                connection.execute(statement.replace("{database}", "inventory").encode())
        document = production.json("verify", code=3)
    finally:
        undo = (*mutation.cleanup, *([UNDO[mutation.id]] if mutation.id in UNDO else []))
        production.sql("production", *undo, database="postgres")
    assert document["verdict"] == "changed"
    changed = {t["name"]: t for t in document["tables"] if t["verdict"] != "unchanged"}
    if mutation.expect_kind == "rows":
        found = [t for name, t in changed.items() if mutation.expect_object in name]
        assert found and not document["other"], (changed, document["other"])
        assert all(t["inserted"] + t["updated"] + t["deleted"] > 0 for t in found)
    else:
        assert any(
            words.startswith(f"{mutation.expect_kind} ") and mutation.expect_object in words
            for words in words_of(document["other"])
        ), document["other"]
    said = " ".join(document["reasons"])
    assert mutation.expect_object.strip('"') in said, "the sentences name the object"


def test_it_is_the_same_database_again(sample):
    """So what was found above was there because of the change."""
    assert sample.json("verify")["verdict"] == "unchanged"
    sample.reset_production()
    assert sample.json("verify")["verdict"] == "unchanged"
