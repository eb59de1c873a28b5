"""Where a baseline stands in the WAL and among the transactions, and what it takes to compare from there.

A baseline's snapshot S0 does not see what was not committed when it was taken, and such a transaction may have written
its rows long before. So the mark is set in this order, each step in a session of its own:

1. *start* is the WAL's end; then a transaction gets the number *first_xid* and writes a message. A transaction with a
   higher number wrote everything after *start*.
2. S0 is taken when every transaction up to *first_xid* has ended, or, if that takes too long, with the open ones noted
   as *unsettled*. What S0 does not see was then written after *start*, or is unsettled.
3. A second message, the *anchor*, holds a random word. Its commit puts on disk everything that S0 sees: a crash cannot
   take back what the baseline has. Who later finds the word in the WAL reads the WAL that this baseline belongs to, and
   not that of a copy of the files which went another way from an earlier moment.

A replication slot keeps the WAL from *start* on, but only where the server bounds what slots may keep
(``max_slot_wal_keep_size``): production's disk must not fill up for our sake. Elsewhere the slot keeps nothing, and is
only there to be found again: a copy of the files from an earlier moment does not have it. It is then made after the
anchor (*late*): where it is found, the files are of a time at which all that S0 sees was in them.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import psycopg

from ringfence.integrity.model import WalMark
from ringfence.postgres import capability, queries
from ringfence.postgres.connection import ConnectError, Connection, QueryError, connect, error_text
from ringfence.postgres.target import Target

_PACKAGE = "ringfence.integrity"
_PREFIX = "ringfence"
_UNBOUNDED = "-1"
_UNKEPT = "max_slot_wal_keep_size is not set on production, so a slot could fill its disk"
SETTLE_S = 3.0
"""How long a baseline waits for open transactions; one that is open longer costs the proof, not the backup."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A mark whose snapshot is still to be taken."""

    start: str
    first_xid: int
    wal_level: str
    slot: str | None
    slot_note: str | None
    late_slots: str | None = None
    """The prefix of a slot that keeps nothing and is made after the anchor."""


@dataclass(frozen=True, kw_only=True)
class SeenTransactions:
    """A snapshot's transactions: all below ``oldest`` have ended, none from ``next`` on is seen, ``open`` are open."""

    oldest: int
    next: int
    open: tuple[int, ...]


def slot_prefix(project: str) -> str:
    """How the names of a project's slots begin. Another project on the same server has other slots."""
    return f"ringfence_{hashlib.sha256(project.encode()).hexdigest()[:10]}_"


def nonce_prefix(nonce: str) -> str:
    """The prefix of the message that holds a word."""
    return f"{_PREFIX} {nonce}"


def begin(target: Target, *, prefix: str) -> Begun | None:
    """Step 1, and the slot before it. None on a standby, which writes no WAL of its own."""
    with connect(target) as connection:
        recovering, _, wal_level, bound = _position(connection)
        if recovering:
            return None
        is_late = wal_level != "minimal" and bound == _UNBOUNDED
        slot, note = (None, _UNKEPT) if is_late else _make_slot(connection, prefix, wal_level, reserve=True)
        try:
            with _writing(connection):
                start = str(_position(connection)[1])
                first_xid, _ = _message(connection, secrets.token_hex(16))
        except BaseException:
            if slot:
                drop_slot(target, slot)
            raise
    late = prefix if is_late else None
    return Begun(start=start, first_xid=first_xid, wal_level=wal_level, slot=slot, slot_note=note, late_slots=late)


def unsettled(connection: Connection, begun: Begun) -> tuple[int, ...]:
    """The transactions that may have written before `Begun.start` and are open in this session's snapshot."""
    return tuple(x for x in transactions(connection).open if x < begun.first_xid)


def anchor(target: Target, begun: Begun, open_before: tuple[int, ...]) -> WalMark:
    """Step 3; the snapshot is open in another session."""
    nonce = secrets.token_hex(16)
    with connect(target) as connection, _writing(connection):
        xid, position = _message(connection, nonce)
    slot, note = begun.slot, begun.slot_note
    if begun.late_slots is not None:
        with connect(target) as connection:
            slot, refused = _make_slot(connection, begun.late_slots, begun.wal_level, reserve=False)
            note = refused or note
    return WalMark(
        start=begun.start,
        first_xid=begun.first_xid,
        anchor=position,
        anchor_xid=xid,
        nonce=nonce,
        wal_level=begun.wal_level,
        unsettled=open_before,
        slot=slot,
        slot_note=note,
        late=begun.late_slots is not None and slot is not None,
    )


def end_message(connection: Connection, target: Target, nonce: str) -> str:
    """Write a word into the WAL with everything before it on disk, and return where it ends.

    ``connection`` may be in a read-only transaction: where the version can do it, the message takes no transaction
    number and no other session. Raises QueryError, and ConnectError.
    """
    if capability.has_flushed_messages(capability.major(connection.info.server_version)):
        query = queries.load(_PACKAGE, "wal/message_flushed")
        row = connection.execute(query, {"prefix": nonce_prefix(nonce)}).fetchone()
        if row is None:
            raise QueryError("the server wrote no message into the WAL")
        return str(row[0])
    with connect(target) as other, _writing(other):
        return _message(other, nonce)[1]


def position(connection: Connection) -> tuple[str, str]:
    """Where the WAL ends as of now, and its level. Raises QueryError on a standby."""
    recovering, where, wal_level, _ = _position(connection)
    if recovering or where is None:
        raise QueryError("a standby writes no WAL of its own")
    return where, wal_level


def block_size(connection: Connection) -> int:
    """Bytes of a block, as the server was built."""
    row = connection.execute("SELECT pg_catalog.current_setting('block_size')::pg_catalog.int8").fetchone()
    return int(row[0]) if row else 8192


def transactions(connection: Connection) -> SeenTransactions:
    """What the session's snapshot sees of transactions."""
    row = connection.execute(queries.load(_PACKAGE, "wal/snapshot")).fetchone()
    if row is None:
        raise QueryError("the server did not describe its snapshot")
    return SeenTransactions(oldest=int(row[0]), next=int(row[1]), open=tuple(int(x) for x in row[2]))


def statuses(connection: Connection, xids: Collection[int]) -> dict[int, str | None]:
    """How transactions ended: ``committed``, ``aborted``, ``in progress``; None for what is too old to tell."""
    query = queries.load(_PACKAGE, "wal/status")
    return {int(x): status for x, status in connection.execute(query, {"xids": [str(x) for x in xids]}).fetchall()}


def slots(connection: Connection, prefix: str) -> dict[str, str | None]:
    """The slots whose names begin so, with what the server says of their WAL (``reserved``, ``lost``, …)."""
    return dict(connection.execute(queries.load(_PACKAGE, "wal/slots"), {"prefix": prefix}).fetchall())


def sweep(target: Target, *, prefix: str, keep: Collection[str]) -> tuple[str, ...]:
    """Drop every slot of a project but those of the baselines that are compared with. Raises QueryError."""
    with connect(target) as connection:
        gone = sorted(slots(connection, prefix).keys() - set(keep))
    for name in gone:
        drop_slot(target, name)
    return tuple(gone)


def drop_slot(target: Target, name: str) -> None:
    """Give the WAL back. Nothing is raised: a slot that stays is bounded, and swept by the next backup."""
    with contextlib.suppress(psycopg.Error, QueryError, ConnectError), connect(target) as connection:
        connection.execute(
            "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots "
            "WHERE slot_name = %s AND NOT active",
            (name,),
        )


def _make_slot(connection: Connection, prefix: str, wal_level: str, *, reserve: bool) -> tuple[str | None, str | None]:
    if wal_level == "minimal":
        return None, "wal_level is minimal, which allows no replication slot"
    name = f"{prefix}{secrets.token_hex(6)}"
    try:
        connection.execute("SELECT pg_catalog.pg_create_physical_replication_slot(%s, %s)", (name, reserve))
    except psycopg.Error as error:
        return None, f"no replication slot could be made: {error_text(error)}"
    return name, None


def _position(connection: Connection) -> tuple[bool, str | None, str, str]:
    row = connection.execute(queries.load(_PACKAGE, "wal/position")).fetchone()
    if row is None:
        raise QueryError("the server did not say where its WAL ends")
    return row[0], row[1], row[2], row[3]


@contextlib.contextmanager
def _writing(connection: Connection) -> Iterator[None]:
    """A transaction whose commit is on disk before it returns, whatever the server's settings; standbys do not hold
    it up."""
    connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
    try:
        connection.execute("SELECT pg_catalog.set_config('synchronous_commit', 'local', true)")
        yield
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _message(connection: Connection, nonce: str) -> tuple[int, str]:
    row = connection.execute(queries.load(_PACKAGE, "wal/message"), {"prefix": nonce_prefix(nonce)}).fetchone()
    if row is None:
        raise QueryError("the server wrote no message into the WAL")
    return int(row[0]), str(row[1])
