"""Read everything about a database but the rows of its tables: one query for each kind of object, in one snapshot.

The queries are in ``sql/state``, one file a kind; those of the whole server begin with ``cluster-``. Each returns
(object, attributes): names as the catalog has them, quoted as SQL would need it, never an oid, and nothing that VACUUM,
ANALYZE, a checkpoint or a restart changes. Rights are written out in a fixed order, so that rights that were granted
explicitly and rights that are the default are the same thing.

A kind that this session may not read, or that failed, is recorded as unreadable and never left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from ringfence.integrity.model import Attributes, State
from ringfence.integrity.state_rules import exists_on, tidy, unreadable
from ringfence.postgres import capability, queries
from ringfence.postgres.connection import Connection, error_text

PACKAGE = "ringfence.integrity"
SEQUENCE_VALUE = "sequence-value"
_FOLDER = "state"
_SEQUENCES_AT_ONCE = 500


def read_state(connection: Connection, *, seed: int) -> State:
    """The state of the connection's database and of its server, in the transaction's snapshot.

    Outside a transaction it makes one of its own (repeatable read, read only); inside one it leaves nothing behind
    but locks on what it read. ``seed`` (64 bits, signed or not) goes into the digests of secrets, large objects and
    built-in objects: states of different seeds cannot be compared. Sequence values are as of now, whatever the
    snapshot: PostgreSQL does not version them. Raises psycopg's errors for a connection that broke or was cancelled.
    """
    signed = seed - (1 << 64) if seed >= 1 << 63 else seed
    major = capability.major(connection.info.server_version)
    alone = connection.info.transaction_status == TransactionStatus.IDLE
    state: dict[str, Mapping[str, Attributes]] = {}
    with connection.transaction():
        if alone:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for name in queries.names(PACKAGE, _FOLDER):
            kind = name.removeprefix(f"{_FOLDER}/")
            if exists_on(kind, major):
                state[kind] = _read_kind(connection, kind, signed)
    return state


def read_sequence_values(connection: Connection, *, seed: int) -> Mapping[str, Attributes]:
    """Only the values of sequences, as of now."""
    return _read_kind(connection, SEQUENCE_VALUE, seed)


def _read_kind(connection: Connection, kind: str, seed: int) -> Mapping[str, Attributes]:
    """One kind, or the mark of an unreadable one with what the server said."""
    try:
        with connection.transaction():
            query = queries.load(PACKAGE, f"{_FOLDER}/{kind}")
            found = connection.execute(query, {"seed": seed}).fetchall()
        if kind == SEQUENCE_VALUE:
            found = list(_sequence_values(connection, found))
    except (psycopg.errors.QueryCanceled, psycopg.errors.OperatorIntervention):
        raise
    except psycopg.Error as error:
        if connection.closed:
            raise
        return unreadable(error_text(error))
    return _by_name(found)


def _by_name(found: Sequence[tuple[Any, ...]]) -> Mapping[str, Attributes]:
    """The objects sorted by name. Two of one name (which the server does not forbid everywhere) are numbered."""
    objects: dict[str, Attributes] = {}
    rows = sorted(found, key=lambda row: str(row[0]))
    if len({row[0] for row in rows}) < len(rows):
        rows.sort(key=lambda row: (row[0], repr(row[1])))
    for name, attributes in rows:
        unique, number = name, 1
        while unique in objects:
            number += 1
            unique = f"{name} ({number})"
        objects[unique] = tidy(attributes)
    return objects


def _sequence_values(
    connection: Connection, found: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[str, dict[str, int | bool]]]:
    """``last_value`` and ``is_called`` of each sequence, many in one query.

    Each group is read in a savepoint that is rolled back: that gives its locks back at once, so that a database of
    many sequences does not fill the server's lock table.
    """
    for start in range(0, len(found), _SEQUENCES_AT_ONCE):
        group = found[start : start + _SEQUENCES_AT_ONCE]
        query = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {}::int4, last_value, is_called FROM {}").format(
                sql.Literal(number), sql.Identifier(named["schema"], named["name"])
            )
            for number, (_, named) in enumerate(group)
        )
        with connection.transaction(force_rollback=True):
            values = connection.execute(query).fetchall()
        for number, last_value, is_called in values:
            yield group[number][0], {"last_value": last_value, "is_called": is_called}
