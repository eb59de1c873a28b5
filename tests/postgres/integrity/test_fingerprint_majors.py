"""The same rows have the same fingerprint on every major, and every row mutation of the cases changes it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.cases.mutations import MUTATIONS, ROLES, SCHEMA
from tests.postgres.conftest import Server

from ringfence.integrity.expression import digest_query
from ringfence.integrity.fingerprint import Table, read_tables
from ringfence.integrity.model import Seeds, TableName
from ringfence.postgres.connection import Connection, connect

pytestmark = pytest.mark.postgres
SEEDS = Seeds(first=3, second=(1 << 64) - 5)
ROW_MUTATIONS = [m for m in MUTATIONS if m.expect_kind == "rows"]


def _load(connection: Connection) -> None:
    for statement in ROLES:
        connection.execute(statement)
    connection.execute("SET search_path TO public")
    connection.execute(SCHEMA.replace("{database}", f'"{connection.info.dbname}"').encode())
    connection.execute("SET search_path TO ''")


def _digest(connection: Connection, tables: tuple[Table, ...]) -> dict[TableName, tuple[int, ...]]:
    found = {}
    for table in tables:
        query = digest_query(table.name.schema, table.name.name, table.columns, SEEDS, blocks=None)
        row = connection.execute(query).fetchone()
        assert row is not None
        found[table.name] = tuple(int(v) for v in row)
    return found


def test_equal_on_every_major(servers: Mapping[int, Server]) -> None:
    found = {}
    for major, server in servers.items():
        with server.new_database() as target, connect(target, read_only=False) as connection:
            _load(connection)
            found[major] = _digest(connection, read_tables(connection))
    assert len(found) >= 2
    first, *others = found.values()
    assert len(first) >= 12
    assert all(other == first for other in others)


def test_every_row_mutation_changes_the_fingerprint(server: Server) -> None:
    """All mutations in one database, each in a transaction that is rolled back where it can be."""
    missed = []
    with server.new_database() as target, connect(target, read_only=False) as connection:
        _load(connection)
        tables = read_tables(connection)
        before = _digest(connection, tables)
        for mutation in ROW_MUTATIONS:
            if server.major < mutation.since or not mutation.transactional:
                continue
            connection.execute("BEGIN")
            connection.execute("SET LOCAL search_path TO public")
            for text in mutation.sql:
                connection.execute(text.replace("{database}", f'"{target.database}"').encode())
            connection.execute("SET LOCAL search_path TO ''")
            after = _digest(connection, tables)
            connection.execute("ROLLBACK")
            changed = [t.name for t in before if before[t] != after[t]]
            if not any(mutation.expect_object.strip('"') in name or name in mutation.expect_object for name in changed):
                missed.append(f"{mutation.id} {mutation.title}: expected {mutation.expect_object}, changed {changed}")
        assert _digest(connection, tables) == before
    assert len(ROW_MUTATIONS) >= 30
    assert not missed
