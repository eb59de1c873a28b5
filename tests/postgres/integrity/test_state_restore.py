"""A restored copy has the state that travels, on the same major and on a newer one; what is missing is named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.cases.mutations import ROLES, SCHEMA
from tests.thin import some

from ringfence import process
from ringfence.integrity.state import read_state
from ringfence.integrity.travel import compare_restored, travelling
from ringfence.postgres.connection import connect

pytestmark = pytest.mark.postgres

SEED = 99
DATA = Path(__file__).parents[4] / "shared" / "data"


def run(target, *statements):
    with psycopg.connect(target.conninfo(), autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        for statement in statements:
            name = sql.Identifier(target.database).as_string(None)
            connection.execute(statement.replace("{database}", name).encode())


def state_of(target):
    with connect(target) as connection:
        return read_state(connection, seed=SEED)


def client(server, name, target, *words, newest):
    argv = [newest.path(name), "-h", target.host, "-p", str(target.port), "-U", target.user, *words]
    process.run(argv, timeout_s=120, env=process.clean_environment({"PGPASSFILE": str(target.passfile)}))


def dump_and_restore(source_server, source, target_server, target, folder, newest):
    # Not pytest's directory: a name that is unique to this test is enough, the clients run as this user.
    file = folder / "copy.dump"
    client(source_server, "pg_dump", source, "-Fc", "-f", file, "-d", source.database, newest=newest)
    words = ("--exit-on-error", "-d", target.database, file)
    client(target_server, "pg_restore", target, *words, newest=newest)


@pytest.fixture
def newest(servers):
    return next(iter(servers.values())).programs


@pytest.fixture
def sample(server, database):
    server.execute(*ROLES)
    run(database, SCHEMA)
    return database


@pytest.fixture
def empty(server) -> Iterator:
    with server.new_database() as target:
        yield target


def test_a_restored_copy_has_the_same_travelling_state(server, sample, empty, tmp_path):
    dump_and_restore(server, sample, server, empty, tmp_path, server.programs)
    before, after = state_of(sample), state_of(empty)
    assert compare_restored(before, after, same_major=True) == ()
    assert compare_restored(before, after, same_major=False) == ()


def test_a_copy_on_the_newest_major_has_the_same_objects(servers, server, sample, newest, tmp_path):
    newer = next(iter(servers.values()))
    if newer.major == server.major:
        pytest.skip("this is the newest major here")
    newer.execute(*ROLES)
    with newer.new_database() as target:
        dump_and_restore(server, sample, newer, target, tmp_path, newest)
        assert compare_restored(state_of(sample), state_of(target), same_major=False) == ()


def test_a_copy_without_owners_and_rights(server, sample, empty, tmp_path):
    file = tmp_path / "copy.dump"
    client(server, "pg_dump", sample, "-Fc", "-f", file, "-d", sample.database, newest=server.programs)
    words = ("--no-owner", "--no-acl", "--exit-on-error", "-d", empty.database, file)
    client(server, "pg_restore", empty, *words, newest=server.programs)
    before, after = state_of(sample), state_of(empty)
    found = compare_restored(before, after, same_major=True, ownership=False)
    # Default privileges are rights through and through: they stay behind with the others.
    assert found == ("missing default privileges of postgres on tables in public",)
    assert compare_restored(before, after, same_major=True) != found


DAMAGE = (
    ("DROP INDEX public.sku_price", "missing index public.sku_price"),
    (
        'ALTER TABLE public."SKU" DROP CONSTRAINT "SKU_componentId_fkey"',
        'missing constraint public."SKU"."SKU_componentId_fkey"',
    ),
    (
        'ALTER TABLE public."Component" DISABLE TRIGGER component_touch',
        'trigger public."Component".component_touch: enabled is no, was yes',
    ),
    ("DROP VIEW public.live_component", "missing view public.live_component"),
    ("SELECT pg_catalog.setval('public.loose', 100)", "sequence public.loose: last value is 100, was 105"),
    ("SELECT lo_unlink(4711)", "missing large object 4711"),
    ("CREATE TABLE public.planted ()", "unexpected table public.planted"),
    (
        'ALTER TABLE public."SKU" ALTER price TYPE numeric(12,3)',
        'column public."SKU".price: type is numeric(12,3), was numeric(12,2)',
    ),
    (
        "ALTER TABLE public.tenant_note DISABLE ROW LEVEL SECURITY",
        "table public.tenant_note: row security is no, was yes",
    ),
)


def test_what_is_missing_is_named(server, sample):
    with server.new_database(template=sample.database) as copy:
        run(copy, *(statement for statement, _ in DAMAGE))
        found = compare_restored(state_of(sample), state_of(copy), same_major=True)
        assert [expected for _, expected in DAMAGE if expected not in found] == []


@pytest.mark.parametrize("name", some(["sakila", "chinook", "northwind"], keep=1))
def test_sample_databases_travel(server, database, empty, tmp_path, name):
    scripts = [p for p in (DATA / f"{name}-schema.sql", DATA / f"{name}-data.sql", DATA / f"{name}.sql") if p.exists()]
    if not scripts:
        pytest.skip(f"no {name} in {DATA}")
    with contextlib.suppress(process.ProgramError):
        # A script may begin with \c or CREATE DATABASE: whatever it made here is what travels.
        for script in scripts:
            server.psql(database.database, script)
    dump_and_restore(server, database, server, empty, tmp_path, server.programs)
    before = state_of(database)
    assert travelling(before)["relation"]
    assert compare_restored(before, state_of(empty), same_major=True) == ()
