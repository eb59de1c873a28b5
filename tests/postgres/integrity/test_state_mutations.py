"""Every change to a database that is not to its rows is found, under the right heading; ordinary work is not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.cases.mutations import MUTATIONS, QUIET, ROLES, SCHEMA, Mutation
from tests.postgres.conftest import MAJORS
from tests.thin import outer

from ringfence.integrity.state import read_state
from ringfence.integrity.state_diff import StateDifferences, diff_states
from ringfence.postgres.connection import connect
from ringfence.postgres.target import Target

pytestmark = pytest.mark.postgres

SEED = 0x0123456789ABCDEF
SAMPLE = "sample"
FOUND = [m for m in MUTATIONS if m.expect_kind != "rows"]
ROLLED_BACK = [m for m in FOUND if m.transactional]
LASTING = [m for m in FOUND if not m.transactional]


def run(target: Target, *statements: str) -> None:
    with psycopg.connect(target.conninfo(), autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        for statement in statements:
            connection.execute(for_database(statement, target).encode())


def for_database(statement: str, target: Target) -> str:
    return statement.replace("{database}", sql.Identifier(target.database).as_string(None))


def state_of(target: Target):
    with connect(target) as connection:
        return read_state(connection, seed=SEED)


def changes(found: StateDifferences) -> list[str]:
    return [f"{d.change.kind}: {d.reason}" for d in found.differences if not d.change.allowed]


def assert_found(mutation: Mutation, found: StateDifferences) -> None:
    assert found.unknown == ()
    hits = [
        d
        for d in found.differences
        if d.change.kind == mutation.expect_kind
        and (mutation.expect_object in d.change.object or mutation.expect_object in d.reason)
        and not d.change.allowed
    ]
    assert hits, f"{mutation.id} {mutation.title}: not found in {changes(found)}"
    assert all(h.change.before != h.change.after for h in hits), hits
    said = " ".join(changes(found))
    assert "not-shown-anywhere" not in said and "SCRAM-SHA-256$" not in said


class Made(dict[int, Any]):
    """Something for each major, made when it is first asked for."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, major: int) -> Any:
        self[major] = self._make(major)
        return self[major]


@pytest.fixture(scope="module")
def samples(servers) -> Iterator[Mapping[int, Target]]:
    """The sample database of a server."""
    with contextlib.ExitStack() as stack:

        def make(major: int) -> Target:
            servers[major].execute(*ROLES)
            target = stack.enter_context(servers[major].new_database(name=SAMPLE))
            run(target, SCHEMA)
            return target

        yield Made(make)


@pytest.fixture(scope="module")
def states(samples):
    """The state of a sample before anything was done to it."""
    return Made(lambda major: state_of(samples[major]))


@pytest.fixture
def sample(server, samples, states) -> Target:
    assert states[server.major]
    return samples[server.major]


@pytest.fixture
def copy(server, sample) -> Iterator[Target]:
    with server.new_database(template=SAMPLE) as target:
        yield target


@pytest.mark.parametrize("server", outer(MAJORS), indirect=True)
def test_every_kind_can_be_read(server, states):
    unreadable = {kind: objects[""] for kind, objects in states[server.major].items() if "" in objects}
    assert unreadable == {}


def test_no_secret_stands_in_a_state(server, states):
    text = repr(states[server.major])
    assert "not-shown-anywhere" not in text
    assert "SCRAM-SHA-256$" not in text


def batches(major: int) -> list[list[Mutation]]:
    """The mutations that can be rolled back, in groups in which no two are about the same object."""
    groups: list[list[Mutation]] = []
    for mutation in ROLLED_BACK:
        if major < mutation.since:
            continue
        wanted = mutation.expect_object
        for group in groups:
            if not any(wanted in other.expect_object or other.expect_object in wanted for other in group):
                group.append(mutation)
                break
        else:
            groups.append([mutation])
    return groups


def apply(connection, target: Target, mutation: Mutation) -> bool:
    """Apply a mutation in a savepoint; False where another one of its batch is in its way."""
    connection.execute("SET LOCAL search_path = public")
    try:
        with connection.transaction():
            for statement in mutation.sql:
                connection.execute(for_database(statement, target).encode())
    except psycopg.Error:
        return False
    finally:
        connection.execute("SET LOCAL search_path = ''")
    return True


@pytest.mark.parametrize("server", outer(MAJORS), indirect=True)
def test_every_change_is_found(server, sample, states):
    """In few readings: test_a_change_is_found does the same one by one."""
    waiting, done = batches(server.major), 0
    while waiting:
        batch, late = waiting.pop(0), []
        with connect(sample, read_only=False, autocommit=False) as connection:
            connection.execute("SET LOCAL client_min_messages = error")
            for mutation in batch:
                for statement in mutation.setup:
                    connection.execute(for_database(statement, sample).encode())
            has_setup = any(m.setup for m in batch)
            before = read_state(connection, seed=SEED) if has_setup else states[server.major]
            applied = [m for m in batch if apply(connection, sample, m) or late.append(m)]
            after = read_state(connection, seed=SEED)
            connection.rollback()
        assert applied, f"none of {[m.id for m in batch]} could be applied"
        found = diff_states(before, after)
        for mutation in applied:
            assert_found(mutation, found)
        done += len(applied)
        if late:
            waiting.append(late)
    assert done == sum(server.major >= m.since for m in ROLLED_BACK)


@pytest.mark.long
@pytest.mark.parametrize("mutation", ROLLED_BACK, ids=lambda m: m.id)
def test_a_change_is_found(server, sample, states, mutation):
    if server.major < mutation.since:
        pytest.skip(f"PostgreSQL {server.major} has no such thing")
    before = states[server.major]
    with connect(sample, read_only=False, autocommit=False) as connection:
        connection.execute("SET LOCAL client_min_messages = error")
        for statement in mutation.setup:
            connection.execute(for_database(statement, sample).encode())
        if mutation.setup:
            before = read_state(connection, seed=SEED)
        assert apply(connection, sample, mutation)
        after = read_state(connection, seed=SEED)
        connection.rollback()
    assert_found(mutation, diff_states(before, after))


def test_every_change_outside_a_transaction_is_found(copy):
    before = state_of(copy)
    for mutation in LASTING:
        run(copy, *mutation.sql)
        try:
            after = state_of(copy)
        finally:
            run(copy, *mutation.cleanup)
        assert_found(mutation, diff_states(before, after))
        before = state_of(copy) if mutation.cleanup else after


def assert_unchanged(before, after) -> None:
    found = diff_states(before, after)
    assert (found.differences, found.unknown) == ((), ())


def test_ordinary_work_changes_nothing(copy):
    before = state_of(copy)
    for number, statements in enumerate(QUIET, 1):
        run(copy, *statements)
        if number % 4 and number < len(QUIET):
            continue
        found = diff_states(before, state_of(copy))
        assert (changes(found), found.unknown) == ([], ()), QUIET[max(0, number - 4) : number]


def test_nothing_changes_by_itself(server, sample, states):
    assert state_of(sample) == states[server.major]


def test_temporary_tables_of_another_session_change_nothing(sample):
    before = state_of(sample)
    with psycopg.connect(sample.conninfo(), autocommit=True) as other:
        other.execute(
            """CREATE TEMP TABLE mine (id serial PRIMARY KEY, t text CHECK (t > 'a'), p int REFERENCES pg_temp.mine);
            COMMENT ON TABLE mine IS 'x'; COMMENT ON COLUMN mine.t IS 'y'; CREATE INDEX ON mine (t);
            CREATE TRIGGER tr AFTER INSERT ON mine EXECUTE FUNCTION public.touch();
            COMMENT ON TRIGGER tr ON mine IS 'z';
            CREATE TYPE pg_temp.temp_mood AS ENUM ('a'); CREATE VIEW pg_temp.v AS SELECT 1 AS one;
            CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
            COMMENT ON FUNCTION pg_temp.f() IS 'c'"""
        )
        assert_unchanged(before, state_of(sample))


def test_aborted_inserts_only_advance_a_sequence(copy):
    before = state_of(copy)
    run(copy, *["""BEGIN; INSERT INTO public."Transaction" (qty) VALUES (1); ROLLBACK"""] * 3)
    found = diff_states(before, state_of(copy))
    assert [(d.change.object, d.change.allowed) for d in found.differences] == [
        ('sequence public."Transaction_id_seq"', True)
    ]


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_restart_changes_nothing_but_sequences_after_a_crash(server, sample, how):
    before = state_of(sample)
    server.control("restart", "-m", how, "-l", str(server.base / "server.log"))
    found = diff_states(before, state_of(sample))
    assert changes(found) == []
    assert how == "immediate" or found.differences == ()


def test_a_line_in_pg_hba_conf_is_found_and_a_comment_is_not(server, sample):
    path = server.data / "pg_hba.conf"
    original, before = path.read_bytes(), state_of(sample)
    try:
        path.write_bytes(b"# a remark\n\n" + original)
        assert_unchanged(before, state_of(sample))
        path.write_bytes(b"host all all 0.0.0.0/0 trust\n" + original)
        found = diff_states(before, state_of(sample))
        assert [d.change.kind for d in found.differences] == ["setting"]
        assert "host all all 0.0.0.0 0.0.0.0 trust" in found.differences[0].reason
    finally:
        path.write_bytes(original)


def test_a_pending_setting_that_a_restart_applies_is_a_change(server, sample):
    run(sample, "ALTER SYSTEM SET shared_buffers = '40MB'")
    try:
        before = state_of(sample)
        server.control("restart", "-m", "fast", "-l", str(server.base / "server.log"))
        found = diff_states(before, state_of(sample))
        assert [d.change.object for d in found.differences] == ["server setting shared_buffers"]
    finally:
        run(sample, "ALTER SYSTEM RESET shared_buffers")
        server.control("restart", "-m", "fast", "-l", str(server.base / "server.log"))
