"""Who wrote what since a baseline, on a production whose application goes on writing.

What is told apart are transactions: the application's own show themselves by the witness, all others are strangers.
Where that cannot be told, nothing is believed: the caller gets a reason, and every difference is then unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

from ringfence.integrity import wal_mark, wal_proof, witness
from ringfence.integrity.attribution import NOTHING_WRITTEN, Application
from ringfence.integrity.fingerprint import Table
from ringfence.integrity.live_rules import Attribution, told, untold
from ringfence.integrity.model import Observation, State
from ringfence.integrity.observe import Snapshot
from ringfence.integrity.touched import WalError, WalReader, read_since
from ringfence.integrity.witness import WITNESS
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection

_PACKAGE = "ringfence.integrity"
STEPS_A_TRANSACTION = 100
"""How many values of a sequence one transaction of a live application may use up beside those of the rows it inserts:
caches, pools of numbers, inserts that were rolled back."""
_MOST_XIDS = 1 << 31


def attribute(
    snapshot: Snapshot, before: Observation, state: State, *, readers: Sequence[WalReader], application: Application
) -> Attribution:
    """Read the WAL from the baseline to this snapshot and put every change of a row down to somebody.

    ``state`` is of the snapshot. Raises QueryError only where production cannot be asked at all.
    """
    try:
        return _attribute(snapshot, before, state, readers, application)
    except WalError as error:
        return untold(error.message)


def _attribute(
    snapshot: Snapshot, before: Observation, state: State, readers: Sequence[WalReader], application: Application
) -> Attribution:
    connection = snapshot.connection
    installed = witness.read(connection, application)
    if installed.problems:
        raise WalError(f"{installed.problems[0]}; 'ringfence live apply' sets it up, a new backup then begins with it")
    reason = wal_proof.obstacle(before, snapshot.identity, state)
    mark = before.mark
    if reason is not None or mark is None:
        raise WalError(reason or "the baseline has no mark in the WAL")
    if mark.unsettled:
        ended = dict.fromkeys(mark.unsettled) | wal_mark.statuses(connection, mark.unsettled)
        if (reason := wal_proof.unsettled_obstacle(ended)) is not None:
            raise WalError(reason)
    reason = wal_proof.wal_obstacle(mark, *wal_mark.position(connection), table_bytes=None)
    if reason is not None:
        raise WalError(reason)
    given = wal_mark.transactions(connection).next - mark.first_xid
    if given >= _MOST_XIDS:
        raise WalError("the numbers of transactions have gone round since the baseline")
    now = {t.name: t for t in snapshot.tables}
    doubts = {t: why for t, table in now.items() if (why := _doubt(before, table)) is not None}
    if WITNESS not in now or WITNESS in doubts:
        raise WalError(f"the witness was not there at the baseline as it is now: {doubts.get(WITNESS, 'it is gone')}")
    catalogs = _catalogs(connection)
    files = frozenset(t.filenode for t in now.values() if t.filenode) | frozenset(catalogs.values())
    witness_file = now[WITNESS].filenode
    written = read_since(
        snapshot, before, mark, files, readers, lambda reader, span: reader.written(span, witness=witness_file)
    )
    by_table = {t: written.get(table.filenode, NOTHING_WRITTEN) for t, table in now.items()}
    inserted = sum(w.application.get("insert", 0) for w in by_table.values())
    return Attribution(
        tables=by_table,
        doubts=doubts,
        without=frozenset(installed.without),
        definitions=tuple(
            f"{catalog} was written to since the baseline by {told(stranger)}: what the application's own statements "
            "did meanwhile may not be its own"
            for catalog, file in sorted(catalogs.items())
            for stranger in written.get(file, NOTHING_WRITTEN).strangers
        ),
        steps=inserted + STEPS_A_TRANSACTION * max(given, 0),
    )


def _doubt(before: Observation, table: Table) -> str | None:
    """Why the WAL cannot say who wrote to a table."""
    old = next((r.body for r in before.ranges if r.table == table.name), None)
    if old is None:
        return "the baseline does not have it"
    if not (table.logged and old.logged):
        return "it is unlogged: its changes are not in the WAL"
    if not (table.heap and old.heap):
        return "it is stored by an extension of its own"
    if (old.oid, old.filenode) != (table.oid, table.filenode):
        return "its file was replaced since the baseline (TRUNCATE, VACUUM FULL, CLUSTER, ALTER TABLE)"
    return None


def _catalogs(connection: Connection) -> dict[str, int]:
    return {name: int(file) for name, file in connection.execute(queries.load(_PACKAGE, "live/catalogs")).fetchall()}
