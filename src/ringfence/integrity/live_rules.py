"""What a live application may have done to a table, and what is not believed (pure)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from ringfence.integrity.attribution import LOCAL, NOTHING_WRITTEN, Application, Stranger, Written
from ringfence.integrity.model import RowChanges, TableDigest, TableName, TableRule, TableVerdict
from ringfence.wording import counted

_MOST_STRANGERS = 3
_DONE = (("insert", "inserted"), ("update", "updated"), ("delete", "deleted"), ("other", "written otherwise"))


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Who wrote what. ``unknown`` is why that cannot be told, for everything; None where it can.

    ``doubts`` has the reason for single tables. ``without`` are tables without the witness's trigger. ``definitions``
    are sentences about catalogs that somebody else wrote to, and that may have changed what the application's
    statements did. ``steps`` is how many steps more than usual a sequence may have moved.
    """

    unknown: str | None = None
    tables: Mapping[TableName, Written]
    doubts: Mapping[TableName, str]
    without: frozenset[TableName] = frozenset()
    definitions: tuple[str, ...] = ()
    steps: int = 0

    def of(self, table: TableName) -> Written:
        """What was committed to a table."""
        return self.tables.get(table, NOTHING_WRITTEN)


def untold(reason: str) -> Attribution:
    """Where nobody can tell."""
    return Attribution(unknown=reason, tables={}, doubts={})


def is_application(application: Application | None, *, role: str | None, address: str | None) -> bool:
    """Whether a session is the application's, as far as the server says: ``address`` is None over a socket file."""
    if application is None or role != application.role:
        return False
    if not application.clients:
        return True
    if address is None:
        return LOCAL in application.clients
    networks = (ipaddress.ip_network(c) for c in application.clients if c != LOCAL)
    return any(ipaddress.ip_address(address) in network for network in networks)


def needs_rows(table: TableName, rule: TableRule, live: Attribution | None) -> bool:
    """Whether the rows of a table that differs must be compared to judge it: not where the WAL says enough."""
    if live is None or live.unknown is not None or table in live.doubts or rule.rule not in ("live", "append-only"):
        return True
    written = live.of(table)
    harmless = {"insert"} if rule.rule == "append-only" else {"insert", "update"}
    return bool(written.strangers) or not written.application.keys() <= harmless


def judge(
    table: TableName,
    old: TableDigest,
    new: TableDigest,
    *,
    rule: TableRule,
    changes: RowChanges | None,
    live: Attribution,
    plain: tuple[TableVerdict, str],
) -> tuple[TableVerdict, str]:
    """The verdict on a table that differs, and the words for it; ``plain`` is what is said without knowing who did."""
    verdict, said = plain
    if rule.rule not in ("append-only", "live"):
        return plain
    doubt = live.unknown or live.doubts.get(table)
    totals = f"{counted(old.rows, 'row')} before, {new.rows:,} after"
    if verdict == "changed" and rule.rule == "append-only":
        return verdict, said + ("" if doubt or not live.of(table).strangers else f"; {_strangers(table, live)}")
    if doubt is not None:
        return "unknown", f"it differs ({totals}), and who wrote to it cannot be told: {doubt}"
    written = live.of(table)
    if written.strangers:
        return "changed", f"{_strangers(table, live)} ({totals})"
    if not written.application:
        return "unknown", f"it differs ({totals}), and nothing in the WAL says why"
    within = counted(written.transactions, "transaction")
    by = f"{_operations(written.application)} by the application in {within} ({totals})"
    if written.application.keys() - {"insert", "update", "delete"}:
        return "unknown", f"{by}; how is not known"
    if rule.rule == "append-only":
        if written.application.keys() == {"insert"} and new.rows > old.rows:
            return "allowed", f"{by}; it may grow"
        return verdict, said
    if "delete" in written.application and (changes is None or changes.deleted):
        gone = (
            "rows that went were not counted" if changes is None else f"{changes.deleted} of the baseline's rows gone"
        )
        return ("unknown" if changes is None else "changed"), f"{by}; {gone}, and nothing may delete"
    return "allowed", f"{by}; it may insert and update"


def _strangers(table: TableName, live: Attribution) -> str:
    found = live.of(table).strangers
    named = [f"{_operations(s.operations)} by {told(s)}" for s in found[:_MOST_STRANGERS]]
    more = [f"and by {len(found) - _MOST_STRANGERS} more"] if len(found) > _MOST_STRANGERS else []
    hint = ["it has no trigger of the witness ('ringfence live apply' makes it)"] if table in live.without else []
    return "; ".join([*named, *more, *hint])


def _operations(operations: Mapping[str, int]) -> str:
    return ", ".join(f"{operations[name]} {word}" for name, word in _DONE if operations.get(name))


def told(stranger: Stranger) -> str:
    """``transaction 815, which is not the application's; its session said it was role x from 10.0.0.7, psql``"""
    who = "no transaction" if stranger.xid is None else f"transaction {stranger.xid}, which is not the application's"
    return f"{who} (its session said it was {stranger.said})" if stranger.said else who
