"""Touched blocks from the pages themselves: each says how far the WAL was when it was last changed (its LSN).

For a server whose WAL nobody can read, or does not keep. It needs the extension pageinspect, which is never installed,
and reads every page, but hashes only those that changed. What the WAL would have said of the history must be shown in
other ways: the baseline's slot was made after its anchor, so where it is there the files are of its future; and the
database's row in the catalog is older than the baseline, so it was not put in their place as files.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from ringfence.integrity.fingerprint import Table
from ringfence.integrity.model import WalMark
from ringfence.integrity.touched import Touched, WalError
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection, error_text

SOURCE = "pageinspect"
_PACKAGE = "ringfence.integrity"


def touched(connection: Connection, mark: WalMark, slots: Sequence[str], tables: Sequence[Table]) -> Touched:
    """The blocks whose pages changed since the mark, read in the session that holds the snapshot and the tables.

    Raises WalError with the reason why they say nothing here.
    """
    if not mark.late or mark.slot not in slots:
        raise WalError(f"{SOURCE}: the baseline has no slot that was made after it and is still there")
    try:
        with connection.transaction():
            return _touched(connection, mark, tables)
    except psycopg.errors.QueryCanceled:
        raise
    except psycopg.Error as error:
        raise WalError(f"{SOURCE}: {error_text(error)}") from error


def _touched(connection: Connection, mark: WalMark, tables: Sequence[Table]) -> Touched:
    functions: dict[str, str] = dict(connection.execute(queries.load(_PACKAGE, "wal/pageinspect")).fetchall())
    if functions.keys() != {"page_header", "get_raw_page"}:
        raise WalError(
            f"{SOURCE}: the extension is not installed in production's database, or this role may not use it"
        )
    row = connection.execute(queries.load(_PACKAGE, "wal/database_made"), {"first_xid": mark.first_xid}).fetchone()
    if row is None or row[0] is not True:
        raise WalError(f"{SOURCE}: the database was made anew or altered since the baseline")
    rows = {t.filenode for t in tables if t.filenode and t.logged and t.heap}
    oversized = {t.toast_filenode for t in tables if t.toast_filenode and t.logged and t.heap}
    query = queries.load(_PACKAGE, "wal/pages").format(schema=sql.Identifier(functions["page_header"]))
    blocks: dict[int, set[int]] = {}
    names = connection.execute(queries.load(_PACKAGE, "wal/relations"), {"files": [*rows, *oversized]}).fetchall()
    if {number for number, _ in names} != rows | oversized:
        raise WalError(f"{SOURCE}: a table's file is not the one it was a moment ago")
    for number, name in names:
        found = connection.execute(query, {"table": name, "start": mark.start}).fetchall()
        if found:
            blocks[number] = {block for (block,) in found}
    # Which of these were written for a row and which in another way the pages do not say.
    return Touched(source=SOURCE, blocks=blocks, overwritten=oversized & blocks.keys(), doubt=None)
