"""Which tables and which ranges of blocks must be read again, from what a baseline has and what the WAL names (pure).

docs/design.md argues why that is enough. In short: a row that one of two snapshots sees and the other does not was
written, or ended, by a transaction that the first does not see as committed; that transaction touched the row's block
after the baseline's mark; and the WAL names every block that is touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringfence.integrity.compare import parse_lsn
from ringfence.integrity.fingerprint import Table
from ringfence.integrity.model import Observation, State, TableName, TableRanges, WalMark
from ringfence.integrity.state_diff import diff_states
from ringfence.integrity.state_rules import kind_of, why_unreadable
from ringfence.integrity.touched import Touched
from ringfence.integrity.wal_mark import SeenTransactions
from ringfence.postgres.identity import Identity

NO_TRANSACTION = "transactions"
"""The source that needs no WAL: not one transaction number was given out since the baseline."""
LEAST_WAL_BYTES = 4 << 20
WAL_SHARE = 32
"""WAL up to a thirty-second of the tables' size is read: a megabyte of it takes about as long as 30 MB of rows."""
_MAY_WRITE_WITHOUT_TRANSACTION = frozenset({"pg_surgery"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is read again: whole tables with the reason for each, and numbers of ranges of the others."""

    whole: Mapping[TableName, str]
    ranges: Mapping[TableName, tuple[int, ...]]


def obstacle(before: Observation, now: Identity, state: State) -> str | None:
    """Why this baseline says nothing about what lies between it and this server as it is; None where it does."""
    mark, then = before.mark, before.identity
    if mark is None:
        return "the baseline has no mark in the WAL: it was taken on a standby or by an earlier version"
    if now.in_recovery:
        return "production is a standby, or still recovering"
    if (now.system_identifier, now.database_oid) != (then.system_identifier, then.database_oid):
        return "production is another server or database than the baseline's"
    if now.timeline != then.timeline:
        return f"production is on timeline {now.timeline} of its WAL, the baseline on {then.timeline}"
    if now.server_version_num // 10000 != then.server_version_num // 10000:
        return "production is of another major version than the baseline's"
    unread = [kind_of(k).label for s in (before.state, state) for k, objects in s.items() if why_unreadable(objects)]
    if unread:
        return f"the catalog could not be read in full ({unread[0]})"
    # The catalog decides how stored bytes are read: a renamed label of an enum changes rows that nobody wrote.
    found = diff_states(before.state, state)
    if found.unknown:
        return f"the catalog could not be compared in full ({found.unknown[0]})"
    changed = [d.change.object for d in found.differences if d.change.kind == "schema"]
    if changed:
        return f"the schema differs from the baseline ({changed[0]})"
    return None


def unsettled_obstacle(statuses: Mapping[int, str | None]) -> str | None:
    """A transaction that was open before the baseline's mark may have written its rows before it; None where all such
    transactions were rolled back."""
    for xid, status in sorted(statuses.items()):
        if status != "aborted":
            how = {"committed": "was committed since", "in progress": "is still open"}.get(status or "", "is forgotten")
            return f"transaction {xid} was open when the baseline was taken, and {how}"
    return None


def nothing_was_written(mark: WalMark, seen: SeenTransactions, state: State, slots: Mapping[str, str | None]) -> bool:
    """Whether no transaction that this snapshot sees has been given a number since the baseline, but its own.

    Whoever changes a row or the catalog needs one. The slot of the baseline must be there: a copy of the files from an
    earlier moment does not have it, and could have come to the same number by other transactions.
    """
    return (
        not mark.unsettled
        and mark.anchor_xid == mark.first_xid + 1
        and seen.next == mark.anchor_xid + 1
        and mark.slot is not None
        and mark.slot in slots
        and not _MAY_WRITE_WITHOUT_TRANSACTION & state.get("extension", {}).keys()
    )


def wal_obstacle(mark: WalMark, position: str, wal_level: str, table_bytes: int | None) -> str | None:
    """Why the WAL is not worth reading, or says too little; None where it is and does. Without ``table_bytes`` there is
    no other way, and it is worth it."""
    if "minimal" in (mark.wal_level, wal_level):
        return "wal_level is minimal: not everything is in the WAL"
    start, anchor, end = parse_lsn(mark.start), parse_lsn(mark.anchor), parse_lsn(position)
    if start is None or anchor is None or end is None or end < anchor:
        return f"the WAL ends at {position}, before the baseline's mark at {mark.anchor}"
    if table_bytes is not None and end - start > max(LEAST_WAL_BYTES, table_bytes // WAL_SHARE):
        return f"{(end - start) >> 20} MB of WAL were written since the baseline; reading all rows is cheaper"
    return None


def files_of(tables: Sequence[Table]) -> frozenset[int]:
    """The numbers of the files that hold rows, those of oversized values included."""
    return frozenset(n for t in tables for n in (t.filenode, t.toast_filenode) if n)


def plan(before: Observation, tables: Sequence[Table], touched: Touched) -> Plan:
    """What must be read again of the tables as they are now."""
    known = {r.table: r for r in before.ranges}
    whole: dict[TableName, str] = {}
    ranges: dict[TableName, tuple[int, ...]] = {}
    for table in tables:
        old = known.get(table.name)
        reason = _why_whole(old, table, touched)
        if reason is not None or old is None:
            whole[table.name] = reason or "it is new"
        else:
            ranges[table.name] = _numbers(old, table, touched)
    return Plan(whole=whole, ranges=ranges)


def _why_whole(old: TableRanges | None, table: Table, touched: Touched) -> str | None:
    if old is None:
        return "the baseline has no ranges of it"
    body = table.body
    if not (body.logged and old.body.logged):
        return "it is unlogged: its changes are not in the WAL"
    if not (body.heap and old.body.heap):
        return "it is stored by an extension of its own"
    if (body.oid, body.filenode, body.toast_filenode) != (old.body.oid, old.body.filenode, old.body.toast_filenode):
        return "its file was replaced"
    if body.layout != old.body.layout:
        return "its columns differ"
    if body.toast_filenode in touched.overwritten:
        return "pages of its oversized values were overwritten"
    return None


def _numbers(old: TableRanges, table: Table, touched: Touched) -> tuple[int, ...]:
    size = old.range_blocks
    numbers = {block // size for block in touched.blocks.get(table.filenode, ())}
    # Blocks that a vacuum gave back held no row at last; what they held was deleted, and so is named. A second look is
    # cheap, as there is nothing there.
    numbers |= set(range(-(-table.blocks // size), len(old.digests)))
    return tuple(sorted(numbers))
