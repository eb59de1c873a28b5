"""Looking at a whole database again, at the cost of what changed since its baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringfence.integrity import fingerprint, pages, ranges, wal_mark, wal_proof
from ringfence.integrity.expression import ALGORITHM
from ringfence.integrity.fingerprint import Load, OnDigest, Part
from ringfence.integrity.model import Observation, Proof, State, Sums, TableDigest, TableName
from ringfence.integrity.observe import Snapshot
from ringfence.integrity.state import read_state
from ringfence.integrity.touched import Touched, WalError, WalReader, read_since
from ringfence.integrity.wal_proof import NO_TRANSACTION, Plan
from ringfence.postgres.databases import read_locale
from ringfence.redact import one_line, quote_ident
from ringfence.wording import counted

_MOST_TABLES_NAMED = 5
_FEW_BLOCKS = 4096


@dataclass(frozen=True, kw_only=True)
class RowsSince:
    """The tables as they are now, by which proof, and what is to be said of the proof.

    ``changed`` has the numbers of the baseline's ranges within which rows of a table may be others; every other range
    of that table, and the blocks that it did not have, are shown to hold what they held. A table that is not in it says
    nothing about where.
    """

    tables: tuple[TableDigest, ...]
    changed: Mapping[TableName, tuple[int, ...]]
    proof: Proof
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Since:
    """A database as it is now, by which proof, and what is to be said of the proof."""

    observation: Observation
    changed: Mapping[TableName, tuple[int, ...]]
    proof: Proof
    reasons: tuple[str, ...]


def observe_since(
    snapshot: Snapshot,
    before: Observation,
    *,
    readers: Sequence[WalReader],
    load: Load,
    full: bool = False,
    on_digest: OnDigest | None = None,
) -> Since:
    """Everything about the database in an open snapshot; rows are read again only where the WAL since ``before`` says
    that something may have changed, or where it says nothing.

    ``readers`` are tried in their order. ``full`` reads every row, whatever the WAL says. Raises QueryError.
    """
    state = read_state(snapshot.connection, seed=before.seeds.first)
    rows = rows_since(snapshot, before, state, readers=readers, load=load, full=full, on_digest=on_digest)
    observation = Observation(
        identity=snapshot.identity,
        seeds=before.seeds,
        algorithm=ALGORITHM,
        wal_position=snapshot.wal_position,
        locale=read_locale(snapshot.connection, snapshot.identity.database),
        tables=rows.tables,
        state=state,
    )
    return Since(observation=observation, changed=rows.changed, proof=rows.proof, reasons=rows.reasons)


def rows_since(
    snapshot: Snapshot,
    before: Observation,
    state: State,
    *,
    readers: Sequence[WalReader],
    load: Load,
    full: bool = False,
    on_digest: OnDigest | None = None,
) -> RowsSince:
    """The rows alone; ``state`` is everything else of the same snapshot. As `observe_since`."""
    try:
        if full:
            raise WalError("it was asked for")
        touched = _touched(snapshot, before, state, readers)
    except WalError as error:
        proof: Proof = "fingerprint"
        plan = Plan(whole=dict.fromkeys((t.name for t in snapshot.tables), error.message), ranges={})
        reasons: tuple[str, ...] = (f"every row was read again: {error.message}",)
    else:
        proof, plan = "wal", wal_proof.plan(before, snapshot.tables, touched)
        reasons = _reasons(plan, touched)
    digests, changed = _digest_plan(snapshot, before, plan, load, on_digest)
    return RowsSince(tables=digests, changed=changed, proof=proof, reasons=reasons)


def _touched(snapshot: Snapshot, before: Observation, state: State, readers: Sequence[WalReader]) -> Touched:
    """The blocks that may differ, from whichever source can tell. Raises WalError where none can."""
    reason = wal_proof.obstacle(before, snapshot.identity, state)
    mark = before.mark
    if reason is not None or mark is None:
        raise WalError(reason or "the baseline has no mark in the WAL")
    connection = snapshot.connection
    if mark.unsettled:
        reason = wal_proof.unsettled_obstacle(
            dict.fromkeys(mark.unsettled) | wal_mark.statuses(connection, mark.unsettled)
        )
        if reason is not None:
            raise WalError(reason)
    slots = wal_mark.slots(connection, mark.slot) if mark.slot else {}
    if wal_proof.nothing_was_written(mark, wal_mark.transactions(connection), state, slots):
        return Touched(source=NO_TRANSACTION, blocks={}, overwritten=(), doubt=None)
    position, wal_level = wal_mark.position(connection)
    size = sum(t.blocks for t in snapshot.tables) * wal_mark.block_size(connection)
    reason = wal_proof.wal_obstacle(mark, position, wal_level, None)
    if reason is not None:
        raise WalError(reason)
    lost = f"; the baseline's WAL is not kept: {mark.slot_note}" if mark.slot_note else ""
    try:
        reason = wal_proof.wal_obstacle(mark, position, wal_level, size)
        if reason is not None:
            raise WalError(reason)
        files = wal_proof.files_of(snapshot.tables)
        touched = read_since(snapshot, before, mark, files, readers, lambda reader, span: reader.read(span), lost=lost)
    except WalError as error:
        if not mark.late:
            raise
        try:
            return pages.touched(connection, mark, tuple(slots), snapshot.tables)
        except WalError as other:
            raise WalError(f"{error.message}; {other.message}") from other
    if touched.doubt is not None:
        raise WalError(touched.doubt)
    return touched


def _digest_plan(
    snapshot: Snapshot, before: Observation, plan: Plan, load: Load, on_digest: OnDigest | None
) -> tuple[tuple[TableDigest, ...], dict[TableName, tuple[int, ...]]]:
    """The digest of every table, and where rows may have changed as far as that is known."""
    known = {r.table: r for r in before.ranges}
    parts: dict[TableName, Part] = {}
    for table in snapshot.tables:
        old = known.get(table.name)
        if table.name in plan.whole:
            size = ranges.coarse(old, load.piece_blocks) if old else load.piece_blocks
            parts[table.name] = Part(table=table, range_blocks=size)
        elif old is not None and plan.ranges[table.name]:
            parts[table.name] = Part(table=table, range_blocks=old.range_blocks, numbers=plan.ranges[table.name])
    again = _digest_parts(snapshot, tuple(parts.values()), before, load, on_digest)
    digests, changed = [], {}
    for table in snapshot.tables:
        old, found = known.get(table.name), again.get(table.name, {})
        if table.name in plan.whole:
            sums = ranges.add(found.values())
            if old is not None:
                changed[table.name] = ranges.within(old, found, parts[table.name].range_blocks)
        else:
            sums = ranges.with_ranges(known[table.name], found)
            changed[table.name] = tuple(found)
        digests.append(ranges.table_digest(table.name, sums))
    return tuple(digests), changed


def _digest_parts(
    snapshot: Snapshot, parts: Sequence[Part], before: Observation, load: Load, on_digest: OnDigest | None
) -> Mapping[TableName, Mapping[int, Sums]]:
    if sum(fingerprint.blocks_of(p) for p in parts) <= _FEW_BLOCKS and not load.rest:
        # Less work than to open sessions for it.
        return fingerprint.digest_here(snapshot.connection, parts, before.seeds)
    return fingerprint.digest_ranges(
        snapshot.target, parts, before.seeds, snapshot=snapshot.name, load=load, on_digest=on_digest
    )


def _reasons(plan: Plan, touched: Touched) -> tuple[str, ...]:
    if touched.source == NO_TRANSACTION:
        said = "no transaction has written anything since the baseline"
    else:
        numbers = sum(len(n) for n in plan.ranges.values())
        tables = sum(1 for n in plan.ranges.values() if n)
        said = (
            f"{touched.source} names the blocks touched since the baseline; "
            f"{counted(numbers, 'range')} of blocks in {counted(tables, 'table')} read again"
        )
    named = [
        f"table {quote_ident(t.schema)}.{quote_ident(one_line(t.name))} was read whole: {reason}"
        for t, reason in sorted(plan.whole.items())
    ]
    left = len(named) - _MOST_TABLES_NAMED
    more = [counted(left, "more table was read whole", "more tables were read whole")] if left > 0 else []
    return (said, *named[:_MOST_TABLES_NAMED], *more)
