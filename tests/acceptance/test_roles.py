"""`roles` as a user runs it: what is found, what is done, what a run refuses."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from tests.acceptance.project import INVENTORY, Project, running_project

pytestmark = [pytest.mark.postgres, pytest.mark.acceptance]


@pytest.fixture(scope="module")
def shop() -> Iterator[Project]:
    """A project of its own: its roles are not as they were afterwards."""
    with running_project(INVENTORY) as project:
        yield project


def test_found_mended_and_refused_meanwhile(shop):
    assert shop.json("roles", "audit")["databases"][0] == "inventory"
    assert shop.json("roles", "apply") | {"password_made": None} == {
        "schema": 1,
        "applied": True,
        "statements": [],
        "password_made": None,
    }
    shop.sql("production", 'GRANT DELETE ON "SKU" TO PUBLIC')
    found = shop.json("roles", "audit", code=3)["findings"][0]
    assert (found["rule"], found["severity"]) == ("roles/table-privilege", "critical")
    assert found["fix"] == 'REVOKE DELETE ON public."SKU" FROM PUBLIC' and found["evidence"]
    assert "roles/table-privilege" in shop.refused("pre", "--fresh-start", code=3)
    planned = shop.json("roles", "apply", "--dry-run")
    assert planned["applied"] is False
    (statement,) = planned["statements"]
    assert statement["sql"] == 'REVOKE DELETE ON TABLE "public"."SKU" FROM PUBLIC'
    assert statement["undo"] == 'GRANT DELETE ON TABLE "public"."SKU" TO PUBLIC'
    shop.json("roles", "audit", code=3)
    assert shop.json("roles", "apply")["statements"] == [statement]
    shop.json("roles", "audit")
    assert shop.json("roles", "apply")["statements"] == []
    said = shop.run("roles", "apply").said
    assert "nothing to do" in said


def test_strict_keeps_what_is_overwritten(shop):
    done = shop.run("roles", "apply", "--strict")
    assert "the way back" in done.said and "SCRAM-SHA" not in done.out
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.sql("production", 'UPDATE "SKU" SET id = id + 1', role="inventory_app")
    shop.sql("production", 'UPDATE "Component" SET notes = code', role="inventory_app")
    assert shop.sql("production", "SELECT count(*) FROM guard.history") == [(50,)]
    kept = shop.sql("production", "SELECT old->>'notes', old->>'code' FROM guard.history ORDER BY old->'id' LIMIT 1")
    assert kept == [(None, "C1")]
    left = {f["rule"] for f in shop.json("roles", "audit")["findings"]}
    assert left <= {"roles/sequence-range", "roles/insert-flood"}


def test_it_is_tried(shop):
    shop.run("roles", "apply")
    done = shop.json("roles", "prove")
    assert {t["where"] for t in done["tried"]} == {"production", "twin"}
    answers = {t["name"]: (t["outcome"], t["answer"]) for t in done["tried"]}
    assert answers["DELETE"] == ("refused", "permission denied for table Transaction")
    for name in ("DROP DATABASE", "setval", "run a program on the server", "leave a prepared transaction"):
        assert answers[name][0] == "refused", answers[name]
    assert {t["outcome"] for t in done["tried"]} == {"refused", "went through"}
    assert {f["severity"] for f in done["findings"]} == {"low"}
    before = shop.contents("production")
    shop.sql("production", 'GRANT TRUNCATE ON "SKU", "Transaction" TO inventory_app')
    shop.sql("production", 'GRANT UPDATE ON SEQUENCE "SKU_id_seq" TO inventory_app')
    found = shop.json("roles", "prove", code=3)["findings"]
    through = {f["object"] for f in found if f["severity"] == "critical"}
    assert through == {
        'setval: "public"."SKU_id_seq"',
        'TRUNCATE: "public"."SKU"',
        'TRUNCATE: "public"."Transaction"',
    }
    assert shop.contents("production") == before
    shop.run("roles", "apply")
    shop.run("roles", "prove")
