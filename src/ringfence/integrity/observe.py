"""Looking at a whole database in one snapshot: every table's digest and the state of everything else."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from ringfence import clock
from ringfence.integrity import fingerprint, ranges, wal_mark
from ringfence.integrity.expression import ALGORITHM
from ringfence.integrity.fingerprint import Load, OnDigest, Table
from ringfence.integrity.model import Attributes, Observation, Seeds, WalMark
from ringfence.integrity.state import read_sequence_values, read_state
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection, QueryError, connect, one_value
from ringfence.postgres.databases import read_locale
from ringfence.postgres.identity import Identity, read_identity
from ringfence.postgres.target import Target
from ringfence.redact import one_line, quote_ident

_ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """An open, exported snapshot: other sessions and pg_dump see exactly what it sees, for as long as it is open."""

    name: str
    target: Target
    connection: Connection
    identity: Identity
    wal_position: str
    tables: tuple[Table, ...]
    mark: WalMark | None = None


def new_seeds() -> Seeds:
    """Two secret numbers for a new baseline."""
    return Seeds(first=secrets.randbits(64), second=secrets.randbits(64))


@contextlib.contextmanager
def open_snapshot(target: Target) -> Iterator[Snapshot]:
    """Open a read-only snapshot of a database and hold its tables against being rewritten until the block ends.

    The lock comes after the snapshot, and TRUNCATE, DROP and ALTER TABLE do not wait for old snapshots: what they did
    in between would be missing from it. So the catalog is read again behind the lock, in a session of its own, and the
    snapshot is taken anew until every table is the one it was, file included. Raises QueryError when that does not
    come to rest, or when a table stays locked by somebody else.
    """
    with connect(target) as connection:
        for attempt in range(_ATTEMPTS):
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            wal = str(one_value(connection, sql.SQL(_WAL_POSITION)))
            try:
                tables = fingerprint.read_tables(connection)
                fingerprint.lock_tables(connection, tables)
            except psycopg.errors.LockNotAvailable as error:
                hint = (
                    "end its transaction (ROLLBACK PREPARED or COMMIT PREPARED for one that is prepared) and try again"
                )
                raise QueryError(f"{target}: {_lock_holders(target)}", hint=hint) from error
            with connect(target) as other:
                now = fingerprint.read_tables(other)
            if [(t.name, t.oid, t.filenode) for t in now] == [(t.name, t.oid, t.filenode) for t in tables]:
                break
            connection.execute("ROLLBACK")
            if attempt == _ATTEMPTS - 1:
                raise QueryError(f"{target}: tables are being made, dropped or rewritten all the time")
        name = str(one_value(connection, sql.SQL("SELECT pg_catalog.pg_export_snapshot()")))
        yield Snapshot(
            name=name,
            target=target,
            connection=connection,
            identity=read_identity(connection),
            wal_position=wal,
            tables=tables,
        )
        connection.execute("COMMIT")


@contextlib.contextmanager
def open_marked_snapshot(target: Target, *, slots: str) -> Iterator[Snapshot]:
    """As `open_snapshot`, for a baseline: its place in the WAL is marked, and the WAL from there is kept where it may.

    ``slots`` is the prefix of the project's replication slots. Two small messages are written into production's WAL,
    nothing else. The slot is dropped again when the block fails.
    """
    begun = wal_mark.begin(target, prefix=slots)
    if begun is None:
        with open_snapshot(target) as snapshot:
            yield snapshot
        return
    slot = begun.slot
    try:
        deadline = clock.monotonic_s() + wal_mark.SETTLE_S
        while True:
            with open_snapshot(target) as snapshot:
                open_before = wal_mark.unsettled(snapshot.connection, begun)
                if not open_before or clock.monotonic_s() >= deadline:
                    mark = wal_mark.anchor(target, begun, open_before)
                    slot = mark.slot
                    yield replace(snapshot, mark=mark)
                    return
            clock.pause(0.1)
    except BaseException:
        if slot:
            wal_mark.drop_slot(target, slot)
        raise


def _lock_holders(target: Target) -> str:
    """Which tables are locked, and by whom: the server's own words for it name neither."""
    with connect(target) as connection:
        rows = connection.execute(queries.load("ringfence.integrity", "lock_holders")).fetchall()
    told = [
        f"table {quote_ident(schema)}.{quote_ident(table)} is locked by "
        + (
            f"the prepared transaction {one_line(gid)!r}, which no session holds"
            if gid is not None
            else f"session {pid} of role {one_line(role or '?')} ({one_line(application or 'no name')})"
        )
        for schema, table, pid, role, application, gid in rows
    ]
    return "; ".join(told) or "a table was locked for too long"


# The insert position: everything written before it is in the snapshot or was rolled back, or is in flight.
_WAL_POSITION = """
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_insert_lsn() END::pg_catalog.text
"""


def sequence_values(target: Target, seeds: Seeds) -> Mapping[str, Attributes]:
    """The values of all sequences as of now, whatever any snapshot shows."""
    with connect(target) as connection:
        return read_sequence_values(connection, seed=seeds.first)


def observe(
    snapshot: Snapshot, seeds: Seeds, *, workers: int, on_digest: OnDigest | None = None, load: Load | None = None
) -> Observation:
    """Everything about the database in an open snapshot; ``workers`` sessions read tables at the same time.

    ``load`` in place of ``workers`` limits what is asked of the server in other ways, too.
    """
    state = read_state(snapshot.connection, seed=seeds.first)
    whole = fingerprint.digest_whole(
        snapshot.target,
        snapshot.tables,
        seeds,
        snapshot=snapshot.name,
        load=load or Load(workers=workers),
        on_digest=on_digest,
    )
    return Observation(
        identity=snapshot.identity,
        seeds=seeds,
        algorithm=ALGORITHM,
        wal_position=snapshot.wal_position,
        locale=read_locale(snapshot.connection, snapshot.identity.database),
        tables=tuple(ranges.table_digest(r.table, ranges.add(r.digests)) for r in whole),
        state=state,
        ranges=whole,
        mark=snapshot.mark,
    )
