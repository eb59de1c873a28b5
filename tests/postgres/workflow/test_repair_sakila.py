"""A real database damaged in forty ways: after each repair every row is what it was, by two opinions."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from tests.acceptance.project import SHARED_DATA
from tests.cases.damage_sakila import LEDGER, SAKILA_DAMAGES
from tests.postgres.workflow.stage import BY_MAJOR, MAJORS, Quiet, Stage, World

from ringfence.workflow.backups.backup import create_backup
from ringfence.workflow.repairs import repair
from ringfence.workflow.repairs.repair import Request

pytestmark = [pytest.mark.postgres, pytest.mark.long]


@pytest.fixture(scope="module")
def shop(world: World) -> Iterator[Stage]:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no sample databases: {SHARED_DATA} is not there")
    with world.stage(MAJORS[0], MAJORS[0]) as stage:
        for name in ("sakila-schema.sql", "sakila-data.sql"):
            load(stage, name)
        stage.run("production", LEDGER)
        create_backup(stage.project, issue=None, progress=Quiet())
        yield stage


def load(stage: Stage, name: str) -> None:
    psql = BY_MAJOR[MAJORS[0]].path("psql")
    command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", SHARED_DATA / name, "-d", stage.production.conninfo()]
    subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL)


def contents(stage: Stage) -> dict[str, str]:
    """A digest of each table's rows as text, made without anything of the product's."""
    found = {}
    with psycopg.connect(stage.production.conninfo()) as connection:
        query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        for (name,) in connection.execute(query).fetchall():
            digest = sql.SQL("SELECT md5(string_agg(t::text, '|' ORDER BY t::text COLLATE \"C\")) FROM ONLY {} AS t")
            found[name] = str(connection.execute(digest.format(sql.Identifier("public", name))).fetchone())
    return found


def test_there_are_forty_kinds() -> None:
    assert len(SAKILA_DAMAGES) >= 40


@pytest.fixture(scope="module")
def before(shop: Stage) -> dict[str, str]:
    return contents(shop)


@pytest.mark.parametrize("name", SAKILA_DAMAGES)
def test_damage_is_repaired(shop: Stage, before: dict[str, str], name: str) -> None:
    shop.run("production", "SET search_path = public", *SAKILA_DAMAGES[name])
    done = repair.repair_now(shop.project, None, Request(evidence=False), agree=lambda plan: True, progress=Quiet())
    assert done.applied is not None and done.verified is not None and done.plan.remains == ()
    assert done.verified.passed, done.verified.comparison.reasons
    assert {t.verdict for t in done.verified.comparison.tables} == {"unchanged"}
    assert contents(shop) == before
