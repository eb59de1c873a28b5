"""Which blocks the WAL between two positions names, from one of the sources that a server allows.

A source either reads all of the WAL between the positions or fails: both messages that mark the beginning (of the
baseline) and the end (of this look) must be in what it read. A block named too often costs a little time, a block left
out would be a change unseen; where there is doubt sources err on the side of too many.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ringfence.errors import RingfenceError
from ringfence.integrity import wal_mark
from ringfence.integrity.attribution import Written
from ringfence.integrity.model import Observation, WalMark
from ringfence.integrity.observe import Snapshot
from ringfence.postgres.connection import ConnectError, QueryError

_T = TypeVar("_T")


class WalError(RingfenceError):
    """The WAL could not be read, or not all of it. Callers compare by the whole fingerprint instead."""


@dataclass(frozen=True, kw_only=True)
class WalSpan:
    """A piece of the WAL. ``nonces`` are the words that must be found in it; ``files`` the files that matter.

    Positions as PostgreSQL writes them; ``start`` is where a record begins, ``end`` where one ends.
    """

    start: str
    end: str
    timeline: int
    database_oid: int
    nonces: tuple[str, ...]
    files: Collection[int]


@dataclass(frozen=True, kw_only=True)
class Touched:
    """What a piece of the WAL names of one database.

    ``blocks`` are those of main forks by file number. ``overwritten`` are files of which a page was written whole for
    no reason that a row gives (not for a hint bit): nothing that SQL does to rows does that to a file that stays.
    ``doubt`` is something in this WAL that makes its list of blocks say nothing: a database copied in as files, a
    server that came up with other settings of its WAL.
    """

    source: str
    blocks: Mapping[int, Collection[int]]
    overwritten: Collection[int]
    doubt: str | None


class WalReader(Protocol):
    """One source."""

    @property
    def name(self) -> str:
        """For the verdict: ``pg_waldump``."""

    def obstacle(self) -> str | None:
        """Why it cannot be read, as far as that is known before anything was read."""

    def read(self, span: WalSpan) -> Touched:
        """Raises `WalError` with the reason."""

    def written(self, span: WalSpan, *, witness: int) -> Mapping[int, Written]:
        """Who committed what to `WalSpan.files`; ``witness`` is the file of `integrity.witness`. Raises `WalError`."""


SETTINGS_CHANGED = "the server was started with other settings of its WAL since the baseline"
DATABASE_REPLACED = "the database was dropped, copied in or moved as files since the baseline"


def require_words(span: WalSpan, found: Collection[str], *, source: str) -> None:
    """Refuse what was read unless it holds the baseline's word and the word of this look."""
    missing = [n for n in span.nonces if n not in found]
    if missing:
        which = "the baseline's" if missing[0] == span.nonces[0] else "this look's"
        raise WalError(
            f"{source}: {which} message is not in the WAL from {span.start} to {span.end}: "
            "it is not the WAL that was written since the baseline, or not all of it"
        )


def read_since(
    snapshot: Snapshot,
    before: Observation,
    mark: WalMark,
    files: Collection[int],
    readers: Sequence[WalReader],
    read: Callable[[WalReader, WalSpan], _T],
    *,
    lost: str = "",
) -> _T:
    """What ``read`` makes of the WAL from the baseline's mark to ``snapshot``, by the first reader that can.

    ``files`` are the numbers of the files that it is about. Raises WalError with each reader's reason, and ``lost``
    after them.
    """
    word = secrets.token_hex(16)
    try:
        # After the snapshot was taken: whatever it sees was committed before this message, and is on disk with it.
        end = wal_mark.end_message(snapshot.connection, snapshot.target, word)
    except (QueryError, ConnectError) as error:
        raise WalError(f"the end of the WAL could not be marked: {error.message}") from error
    span = WalSpan(
        start=mark.start,
        end=end,
        timeline=before.identity.timeline,
        database_oid=before.identity.database_oid,
        nonces=(mark.nonce, word),
        files=frozenset(files),
    )
    failed: list[str] = []
    for reader in readers:
        try:
            return read(reader, span)
        except WalError as error:
            failed.append(error.message)
    raise WalError("; ".join(failed or ["nothing on this machine can read production's WAL"]) + lost)
