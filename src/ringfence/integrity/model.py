"""The baseline of a database, and the verdict of comparing production with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ringfence.postgres.identity import Identity

Attributes = Mapping[str, Any]
State = Mapping[str, Mapping[str, Attributes]]
"""kind of catalog object → its name → its attributes: everything about a database but the rows of its tables.

Values are JSON scalars, lists and objects without any oid, so that the same database elsewhere has the same state.
"""

Rule = Literal["exact", "append-only", "live", "ignore"]
TableVerdict = Literal["unchanged", "allowed", "changed", "unknown"]
Verdict = Literal["unchanged", "allowed", "changed", "unknown"]
Proof = Literal["wal", "fingerprint"]
OtherKind = Literal["schema", "role", "sequence", "setting", "large-object", "prepared-transaction"]


@dataclass(frozen=True, kw_only=True, order=True)
class TableName:
    """A table by the names the catalog has for it, unquoted."""

    schema: str
    name: str


@dataclass(frozen=True, kw_only=True)
class TableDigest:
    """A table's rows as a multiset: how many, and a 128-bit digest in 32 hex digits that does not depend on order."""

    table: TableName
    rows: int
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """The two secret 64-bit numbers that make a fingerprint one that nobody can aim at; kept in the manifest."""

    first: int
    second: int


Sums = tuple[int, int, int]
"""Number of rows, and the two sums of their 64-bit hashes modulo 2^64."""


@dataclass(frozen=True, kw_only=True)
class TableBody:
    """Where a table's rows lie, and everything that decides how the bytes there are read.

    ``filenode`` and ``toast_filenode`` are the numbers of its files, 0 for none: a rewrite gives it new ones.
    ``logged`` is whether changes are in the WAL, ``heap`` whether it is stored by PostgreSQL's own table access method.
    ``layout`` is a digest of its columns as stored, with the values that rows older than a column have in it.
    """

    oid: int
    filenode: int
    toast_filenode: int
    logged: bool
    heap: bool
    layout: str


@dataclass(frozen=True, kw_only=True)
class TableRanges:
    """A table's digest in parts: one for each ``range_blocks`` blocks of its file, from the first on."""

    table: TableName
    body: TableBody
    range_blocks: int
    digests: tuple[Sums, ...]


@dataclass(frozen=True, kw_only=True)
class WalMark:
    """Where in the WAL and among the transactions a baseline stands; what it means is told in `wal_mark`.

    Positions are as PostgreSQL writes them. ``unsettled`` are transactions that were open before ``start`` and still at
    the snapshot. ``slot`` keeps the WAL from being removed; ``slot_note`` says why there is none.
    """

    start: str
    first_xid: int
    anchor: str
    anchor_xid: int
    nonce: str
    wal_level: str
    unsettled: tuple[int, ...]
    slot: str | None
    slot_note: str | None
    late: bool = False
    """The slot was made after the anchor, and keeps nothing."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A database as it was in one snapshot. The one in a manifest is the baseline."""

    identity: Identity
    seeds: Seeds
    algorithm: int
    wal_position: str
    locale: Mapping[str, str]
    tables: tuple[TableDigest, ...]
    state: State
    sequence_bounds: tuple[Mapping[str, Attributes], Mapping[str, Attributes]] | None = None
    """Sequence values before the dump began and after it was complete. No snapshot holds a sequence still (PostgreSQL
    does not version them), so what the dump has of one lies anywhere between these two."""
    ranges: tuple[TableRanges, ...] = ()
    mark: WalMark | None = None


@dataclass(frozen=True, kw_only=True)
class RowChanges:
    """How many rows of a table were inserted, updated (same key, other values) and deleted."""

    inserted: int
    updated: int
    deleted: int


@dataclass(frozen=True, kw_only=True)
class TableRule:
    """What may happen to a table between two observations; ``ignore`` has a reason. ``live``: the application may
    insert and update rows, and nobody else may."""

    rule: Rule
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class TableComparison:
    """One table before and after. ``changes`` is None where the rows could not be or need not be compared."""

    table: TableName
    rule: TableRule
    rows_before: int | None
    rows_after: int | None
    changes: RowChanges | None
    verdict: TableVerdict


@dataclass(frozen=True, kw_only=True)
class OtherChange:
    """Something that differs and is no table's rows; ``before`` or ``after`` is None where it did or does not exist."""

    kind: OtherKind
    object: str
    before: str | None
    after: str | None
    allowed: bool = False


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The verdict on a database, with everything that led to it."""

    verdict: Verdict
    proof: Proof
    tables: tuple[TableComparison, ...]
    other: tuple[OtherChange, ...]
    reasons: tuple[str, ...] = field(default_factory=tuple)
    proof_reasons: tuple[str, ...] = field(default_factory=tuple)
    """How the rows were compared, and why not in a cheaper way."""
