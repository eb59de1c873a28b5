"""Fingerprints of tables: taken by several sessions in one snapshot, in pieces, inside the server.

No row leaves the server. A table is read in ranges of blocks (TID range scans, PostgreSQL 14+), so that one large table
keeps all sessions busy, progress can be shown and a cancelled run stops within a piece. The digests of the pieces add
up to the table's: count and two sums of 64-bit row hashes, modulo 2^64. Sums and not XOR, because XOR cancels
duplicate rows: {1,1,2,2} and {3,3,4,4} look the same to it.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

import psycopg
from psycopg import sql

from ringfence.errors import InternalError
from ringfence.integrity.expression import Column, digest_query
from ringfence.integrity.model import Seeds, TableDigest, TableName
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection, QueryError, connect, error_text
from ringfence.postgres.target import Target

PIECE_BLOCKS = 4096
"""32 MB with the usual block size: well under a second of work, so that progress and cancelling are prompt."""

OnDigest = Callable[[TableName, int, int], None]
"""Called with a table, how many blocks of it have just been read, and how many there are in all tables."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that holds rows of its own, as the catalog describes it in the snapshot of the session that asked."""

    name: TableName
    oid: int
    filenode: int
    blocks: int
    of_extension: bool
    columns: tuple[Column, ...]


@dataclass(frozen=True, kw_only=True)
class _Piece:
    table: Table
    blocks: tuple[int, int | None] | None
    size: int


def read_tables(connection: Connection) -> tuple[Table, ...]:
    """Every table of the database with rows of its own, by schema and name."""
    rows = connection.execute(queries.load("ringfence.integrity", "tables")).fetchall()
    return tuple(
        Table(
            name=TableName(schema=schema, name=name),
            oid=oid,
            filenode=filenode or 0,
            blocks=blocks or 0,
            of_extension=of_extension,
            columns=tuple(Column(**c) for c in columns),
        )
        for schema, name, oid, filenode, blocks, of_extension, columns in rows
    )


def lock_tables(connection: Connection, tables: Sequence[Table]) -> None:
    """Hold every table against being rewritten, dropped or altered until the transaction ends (ACCESS SHARE).

    The same lock as any SELECT takes: readers and writers go on. Waits at most the session's ``lock_timeout``.
    """
    for start in range(0, len(tables), 200):
        names = sql.SQL(", ").join(
            sql.SQL("ONLY {}").format(sql.Identifier(t.name.schema, t.name.name)) for t in tables[start : start + 200]
        )
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))


def digest_tables(
    target: Target,
    tables: Sequence[Table],
    seeds: Seeds,
    *,
    snapshot: str,
    workers: int,
    on_digest: OnDigest | None = None,
) -> tuple[TableDigest, ...]:
    """The digest of every table in ``tables``, as the exported ``snapshot`` shows them, in the given order.

    The session that exported the snapshot must stay in its transaction and hold the tables (`lock_tables`). Any error
    in one session cancels the others before it is raised: QueryError with the table's name.
    """
    pieces = [p for t in sorted(tables, key=lambda t: -t.blocks) for p in _pieces(t)]
    total = sum(p.size for p in pieces)
    waiting: queue.SimpleQueue[_Piece] = queue.SimpleQueue()
    for piece in pieces:
        waiting.put(piece)
    sums: dict[TableName, list[int]] = {t.name: [0, 0, 0] for t in tables}
    guard = threading.Lock()
    sessions: list[Connection] = []

    def work() -> None:
        with _snapshot_session(target, snapshot) as connection:
            with guard:
                sessions.append(connection)
            while True:
                try:
                    piece = waiting.get_nowait()
                except queue.Empty:
                    return
                found = _digest_piece(connection, piece, seeds)
                with guard:
                    for i in range(3):
                        sums[piece.table.name][i] += found[i]
                    if on_digest:
                        on_digest(piece.table.name, piece.size, total)

    count = max(1, min(workers, len(pieces)))
    with ThreadPoolExecutor(max_workers=count, thread_name_prefix="fingerprint") as pool:
        running = [pool.submit(work) for _ in range(count)]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            with contextlib.suppress(queue.Empty):
                while True:
                    waiting.get_nowait()
            with guard:
                for session in sessions:
                    with contextlib.suppress(psycopg.Error):
                        session.cancel_safe(timeout=5)
            raise
    return tuple(_digest(t.name, sums[t.name]) for t in tables)


def _pieces(table: Table) -> Iterator[_Piece]:
    if table.blocks <= PIECE_BLOCKS * 3 // 2:
        yield _Piece(table=table, blocks=None, size=max(1, table.blocks))
        return
    starts = range(0, table.blocks, PIECE_BLOCKS)
    for start in starts:
        last = start == starts[-1]
        # The last piece has no end: what was added after the size was read is there for newer snapshots only, but a
        # bound would have to be argued for, and none needs no argument.
        yield _Piece(
            table=table,
            blocks=(start, None if last else start + PIECE_BLOCKS),
            size=(table.blocks if last else start + PIECE_BLOCKS) - start,
        )


@contextlib.contextmanager
def _snapshot_session(target: Target, snapshot: str) -> Iterator[Connection]:
    with connect(target) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
        yield connection
        connection.execute("COMMIT")


def _digest_piece(connection: Connection, piece: _Piece, seeds: Seeds) -> tuple[int, int, int]:
    name = piece.table.name
    query = digest_query(name.schema, name.name, piece.table.columns, seeds, blocks=piece.blocks)
    try:
        row = connection.execute(query).fetchone()
    except psycopg.Error as error:
        raise QueryError(f"table {sql.Identifier(name.schema, name.name).as_string()}: {error_text(error)}") from error
    if row is None:
        raise InternalError("an aggregate gave no row")
    return int(row[0]), int(row[1]), int(row[2])


def _digest(name: TableName, sums: Sequence[int]) -> TableDigest:
    mask = (1 << 64) - 1
    return TableDigest(table=name, rows=sums[0], fingerprint=f"{sums[1] & mask:016x}{sums[2] & mask:016x}")
