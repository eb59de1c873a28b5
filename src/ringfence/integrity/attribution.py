"""Whose transactions wrote to which files: an account that is kept while the WAL is read from end to end (pure).

A record of the WAL carries the number of the transaction, or subtransaction, that wrote it. All records of one come
before that of its commit, which names its subtransactions. So what a transaction wrote waits under its numbers until it
commits, is then put down to the application or to somebody else as a whole, and is forgotten when it is rolled back. A
transaction belongs to one session, so one proof of who that is holds for all it wrote.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ringfence.redact import one_line

WITNESSED = "ringfence by"
"""The prefix of the messages in which sessions that are not the application's say who they are."""

LOCAL = "local"
"""A client without an address: a session over a socket file."""

_SAME_ROWS = frozenset(
    {
        *("LOCK", "LOCK_UPDATED", "HEAP_CONFIRM", "TRUNCATE"),
        *("PRUNE", "PRUNE_ON_ACCESS", "PRUNE_VACUUM_SCAN", "PRUNE_VACUUM_CLEANUP", "VACUUM", "FREEZE_PAGE", "CLEAN"),
        *("VISIBLE", "NEW_CID", "REWRITE"),
    }
)
"""Records of heaps that leave every row as it is: HEAP_CONFIRM follows an INSERT of its own, TRUNCATE is there for
logical decoding (what happens to the file is another record)."""
_OPERATIONS = {
    "INSERT": "insert",
    "MULTI_INSERT": "insert",
    "UPDATE": "update",
    "HOT_UPDATE": "update",
    "DELETE": "delete",
}
_SUBTRANSACTIONS = re.compile(r"(?:^|; )subxacts:((?: \d+)+)")
_TWO_PHASE = re.compile(r"^(\d+): ")


@dataclass(frozen=True, kw_only=True)
class Application:
    """Whose writing is the application's: the role that logged in, and from where. ``clients`` are addresses and
    networks as PostgreSQL's ``inet`` has them, or ``local``; none means from anywhere."""

    role: str
    clients: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """A transaction that committed and was not shown to be the application's. ``said`` is what its session said of
    itself, which nothing proves. ``xid`` is None for what no transaction wrote."""

    xid: int | None
    operations: Mapping[str, int]
    said: str | None


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was committed to one file: by the application in so many transactions, and by others."""

    application: Mapping[str, int]
    transactions: int
    strangers: tuple[Stranger, ...]


NOTHING_WRITTEN = Written(application={}, transactions=0, strangers=())


@dataclass(kw_only=True)
class _Open:
    """A transaction or subtransaction that has not ended as far as the WAL was read."""

    operations: dict[int, Counter[str]] = field(default_factory=dict)
    is_witnessed: bool = False
    said: str | None = None


class Ledger:
    """The account. ``witness`` is the file in which the application's transactions lock a row; ``files`` are those that
    matter. Records must come in their order."""

    def __init__(self, *, witness: int, files: Collection[int]) -> None:
        self._witness = witness
        self._files = frozenset(files)
        self._open: dict[int, _Open] = {}
        self._application: dict[int, Counter[str]] = {}
        self._transactions: Counter[int] = Counter()
        self._strangers: dict[int, list[Stranger]] = {}

    def record(self, *, xid: int, manager: str, kind: str, description: str, files: Iterable[int]) -> None:
        """One record: its resource manager (``Heap``), its type (``HOT_UPDATE+INIT``), what the server says of it, and
        the files whose main forks it names. What is not known for harmless counts as a change."""
        name = kind.partition("+")[0]
        if manager == "Transaction":
            self._ended(xid, name, description)
        elif manager == "LogicalMessage":
            pass  # `said` has it
        elif manager == "XLOG" and name == "FPI_FOR_HINT":
            pass
        else:
            for file in set(files):
                self._touched(xid, manager, name, file)

    def said(self, xid: int, payload: bytes) -> None:
        """What a session said of itself, as the trigger writes it; anything else is passed over."""
        try:
            words = json.loads(payload)
            role, application = str(words["role"]), str(words["application"])
            address = words["address"]
        except (ValueError, KeyError, TypeError):
            return
        where = f" from {address}" if address else ""
        self._of(xid).said = one_line(f"role {role}{where}, {application or 'no name'}"[:200])

    def written(self) -> Mapping[int, Written]:
        """What was committed, by file."""
        return {
            file: Written(
                application=dict(self._application.get(file, {})),
                transactions=self._transactions[file],
                strangers=tuple(self._strangers.get(file, ())),
            )
            for file in self._application.keys() | self._strangers.keys()
        }

    def _of(self, xid: int) -> _Open:
        return self._open.setdefault(xid, _Open())

    def _touched(self, xid: int, manager: str, name: str, file: int) -> None:
        is_heap = manager in ("Heap", "Heap2")
        if file == self._witness and is_heap and name == "LOCK" and xid:
            self._of(xid).is_witnessed = True
        if file not in self._files or (is_heap and name in _SAME_ROWS):
            return
        operation = _OPERATIONS.get(name, "other") if is_heap else "other"
        if xid:
            self._of(xid).operations.setdefault(file, Counter())[operation] += 1
        else:
            self._strangers.setdefault(file, []).append(Stranger(xid=None, operations={operation: 1}, said=None))

    def _ended(self, xid: int, name: str, description: str) -> None:
        if name not in ("COMMIT", "ABORT", "COMMIT_PREPARED", "ABORT_PREPARED"):
            return
        if name.endswith("_PREPARED"):
            two_phase = _TWO_PHASE.match(description)
            xid = int(two_phase[1]) if two_phase else xid
        subs = _SUBTRANSACTIONS.search(description)
        numbers = [xid, *(int(x) for x in (subs[1].split() if subs else ()))]
        parts = [one for number in numbers if (one := self._open.pop(number, None)) is not None]
        if not name.startswith("COMMIT"):
            return
        total: dict[int, Counter[str]] = {}
        for part in parts:
            for file, operations in part.operations.items():
                total.setdefault(file, Counter()).update(operations)
        if any(part.is_witnessed for part in parts):
            for file, operations in total.items():
                self._application.setdefault(file, Counter()).update(operations)
                self._transactions[file] += 1
            return
        said = next((part.said for part in parts if part.said), None)
        for file, operations in total.items():
            self._strangers.setdefault(file, []).append(Stranger(xid=xid, operations=dict(operations), said=said))
