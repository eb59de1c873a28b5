"""Fingerprints of tables: taken by several sessions in one snapshot, range by range, inside the server.

No row leaves the server. A table is read in ranges of blocks (TID range scans, PostgreSQL 14+), many in one statement,
so that one large table keeps all sessions busy, progress can be shown and a cancelled run stops within a piece. The
digests of the ranges add up to the table's: count and two sums of 64-bit row hashes, modulo 2^64. Sums and not XOR,
because XOR cancels duplicate rows: {1,1,2,2} and {3,3,4,4} look the same to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

import psycopg
from psycopg import sql

from ringfence import clock
from ringfence.integrity import ranges
from ringfence.integrity.expression import BlockRange, Column, digest_query, ranges_query
from ringfence.integrity.model import Seeds, Sums, TableBody, TableDigest, TableName, TableRanges
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection, QueryError, connect, error_text
from ringfence.postgres.target import Target

PIECE_BLOCKS = 8192
"""64 MB with the usual block size: well under a second of work, so that progress and cancelling are prompt. Half as
much in a statement costs a twentieth more."""
GENTLE_PIECE_BLOCKS = 1024
STATEMENT_TIMEOUT_S = 900
"""For one piece: far above any honest one, so that nothing of ours runs on a server for ever."""

OnDigest = Callable[[TableName, int, int], None]
"""Called with a table, how many blocks of it have just been read, and how many there are to be read in all."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much of the server reading may take: sessions at the same time, and rest after each piece of work.

    ``rest`` is a share of the time that the piece took: 1.0 rests as long as it worked, so half of one processor and
    half of the disk are what is taken at most.
    """

    workers: int
    rest: float = 0.0

    @property
    def piece_blocks(self) -> int:
        """How much is read in one statement."""
        return GENTLE_PIECE_BLOCKS if self.rest else PIECE_BLOCKS


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that holds rows of its own, as the catalog describes it in the snapshot of the session that asked."""

    name: TableName
    oid: int
    filenode: int
    blocks: int
    of_extension: bool
    columns: tuple[Column, ...]
    toast_filenode: int = 0
    logged: bool = True
    heap: bool = True
    layout: str = ""

    @property
    def body(self) -> TableBody:
        """What a baseline keeps of where the rows lie."""
        return TableBody(
            oid=self.oid,
            filenode=self.filenode,
            toast_filenode=self.toast_filenode,
            logged=self.logged,
            heap=self.heap,
            layout=hashlib.sha256(self.layout.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        )


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is to be read of a table: all of its ranges, or those of some numbers (None: all)."""

    table: Table
    range_blocks: int
    numbers: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class _Piece:
    table: Table
    ranges: tuple[BlockRange, ...]
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
            toast_filenode=toast_filenode,
            logged=logged,
            heap=heap,
            layout=layout,
            columns=tuple(Column(**c) for c in columns),
        )
        for schema, name, oid, filenode, blocks, of_extension, toast_filenode, logged, heap, layout, columns in rows
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


def digest_whole(
    target: Target,
    tables: Sequence[Table],
    seeds: Seeds,
    *,
    snapshot: str,
    load: Load,
    on_digest: OnDigest | None = None,
) -> tuple[TableRanges, ...]:
    """The digests of all ranges of every table in ``tables``, in the given order; as `digest_ranges`."""
    parts = [Part(table=t, range_blocks=ranges.range_blocks(t.blocks)) for t in tables]
    found = digest_ranges(target, parts, seeds, snapshot=snapshot, load=load, on_digest=on_digest)
    return tuple(
        TableRanges(
            table=p.table.name,
            body=p.table.body,
            range_blocks=p.range_blocks,
            digests=tuple(found[p.table.name][n] for n in sorted(found[p.table.name])),
        )
        for p in parts
    )


def digest_ranges(
    target: Target,
    parts: Sequence[Part],
    seeds: Seeds,
    *,
    snapshot: str,
    load: Load,
    on_digest: OnDigest | None = None,
) -> Mapping[TableName, Mapping[int, Sums]]:
    """The digests of ranges of blocks by table and number, as the exported ``snapshot`` shows them.

    The session that exported the snapshot must stay in its transaction and hold the tables (`lock_tables`). Any error
    in one session, and Ctrl-C, cancels the others before it is raised: QueryError with the table's name.
    """
    found: dict[TableName, dict[int, Sums]] = {p.table.name: {} for p in parts}
    pieces = [piece for p in sorted(parts, key=lambda p: -p.table.blocks) for piece in _pieces(p, load.piece_blocks)]
    if not pieces:
        return found
    total = sum(p.size for p in pieces)
    waiting: queue.SimpleQueue[_Piece] = queue.SimpleQueue()
    for piece in pieces:
        waiting.put(piece)
    guard, given_up = threading.Lock(), threading.Event()
    sessions: list[Connection] = []

    def work() -> None:
        with _snapshot_session(target, snapshot) as connection:
            with guard:
                sessions.append(connection)
            while not given_up.is_set():
                try:
                    piece = waiting.get_nowait()
                except queue.Empty:
                    return
                started = clock.monotonic_s()
                digests = _digest_piece(connection, piece, seeds)
                with guard:
                    found[piece.table.name].update(digests)
                    if on_digest:
                        on_digest(piece.table.name, piece.size, total)
                if load.rest:
                    given_up.wait((clock.monotonic_s() - started) * load.rest)

    count = max(1, min(load.workers, len(pieces)))
    with ThreadPoolExecutor(max_workers=count, thread_name_prefix="fingerprint") as pool:
        running = [pool.submit(work) for _ in range(count)]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            given_up.set()
            with guard:
                for session in sessions:
                    with contextlib.suppress(psycopg.Error):
                        session.cancel_safe(timeout=5)
            raise
    return found


def digest_table(connection: Connection, table: Table, seeds: Seeds) -> TableDigest:
    """The digest of one table in one statement, as the session sees it: for few rows, or where nobody waits for it."""
    query = digest_query(table.name.schema, table.name.name, table.columns, seeds, blocks=None)
    row = connection.execute(query).fetchone()
    assert row is not None
    return ranges.table_digest(table.name, _sums(*row))


def blocks_of(part: Part) -> int:
    """How many blocks a part has, at most."""
    if part.numbers is None:
        return part.table.blocks
    return min(len(part.numbers) * part.range_blocks, part.table.blocks)


def digest_here(connection: Connection, parts: Sequence[Part], seeds: Seeds) -> Mapping[TableName, Mapping[int, Sums]]:
    """As `digest_ranges`, for little work: in the session that holds the snapshot. Raises QueryError."""
    return {
        part.table.name: {
            number: sums
            for piece in _pieces(part, PIECE_BLOCKS)
            for number, sums in _digest_piece(connection, piece, seeds).items()
        }
        for part in parts
    }


def _pieces(part: Part, piece_blocks: int) -> Iterator[_Piece]:
    size = part.range_blocks
    numbers = part.numbers
    if numbers is None:
        numbers = tuple(range(max(1, -(-part.table.blocks // size))))
    # The last of all ranges has no end: what was added after the size was read is there for newer snapshots only, but a
    # bound would have to be argued for, and none needs no argument.
    last = numbers[-1] if part.numbers is None else None
    at_once = max(1, piece_blocks // size)
    for start in range(0, len(numbers), at_once):
        group = numbers[start : start + at_once]
        yield _Piece(
            table=part.table,
            ranges=tuple((n, n * size, None if n == last else (n + 1) * size) for n in group),
            size=max(1, min(len(group) * size, part.table.blocks)),
        )


@contextlib.contextmanager
def _snapshot_session(target: Target, snapshot: str) -> Iterator[Connection]:
    with connect(target) as connection:
        connection.execute("SELECT pg_catalog.set_config('statement_timeout', %s, false)", (f"{STATEMENT_TIMEOUT_S}s",))
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
        yield connection
        connection.execute("COMMIT")


def _digest_piece(connection: Connection, piece: _Piece, seeds: Seeds) -> dict[int, Sums]:
    name, columns = piece.table.name, piece.table.columns
    try:
        if len(piece.ranges) == 1:
            number, low, high = piece.ranges[0]
            blocks = None if (low, high) == (0, None) else (low, high)
            rows = connection.execute(digest_query(name.schema, name.name, columns, seeds, blocks=blocks)).fetchall()
            return {number: _sums(*rows[0])}
        query = ranges_query(name.schema, name.name, columns, seeds, piece.ranges)
        return {number: _sums(*sums) for number, *sums in connection.execute(query).fetchall()}
    except psycopg.Error as error:
        raise QueryError(f"table {sql.Identifier(name.schema, name.name).as_string()}: {error_text(error)}") from error


def _sums(rows: int, first: int, second: int) -> Sums:
    return ranges.add([(rows, int(first), int(second))])
