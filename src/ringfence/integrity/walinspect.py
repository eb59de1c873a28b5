"""Touched blocks from the extension pg_walinspect, inside the server: it needs no access to the server's files."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from ringfence.integrity.attribution import WITNESSED, Ledger, Written
from ringfence.integrity.touched import DATABASE_REPLACED, SETTINGS_CHANGED, Touched, WalError, WalSpan, require_words
from ringfence.integrity.wal_mark import nonce_prefix
from ringfence.postgres import capability, queries
from ringfence.postgres.connection import ConnectError, Connection, QueryError, connect
from ringfence.postgres.target import Target

TIMEOUT_S = 600
_PACKAGE = "ringfence.integrity"
_AT_ONCE = 20_000
_BLOCK = re.compile(r"rel \d+/(\d+)/(\d+)(?: fork (\w+))? blk \d+")
_SAID = re.compile(rf'^transactional, prefix "{WITNESSED}"; payload \(\d+ bytes\): ([0-9A-F ]+)$')
_RECORDS, _BLOCKS = "pg_get_wal_records_info", "pg_get_wal_block_info"


@dataclass(frozen=True, kw_only=True)
class WalInspect:
    """``targets`` are databases of the server in which the extension may be, best first. It is never installed."""

    targets: Sequence[Target]

    @property
    def name(self) -> str:
        """As the verdict calls it."""
        return "pg_walinspect"

    def read(self, span: WalSpan) -> Touched:
        """Two queries over the records between the positions: blocks, and messages."""
        with self._session() as (connection, schema, major):
            return self._read(connection, schema, major, span)

    def written(self, span: WalSpan, *, witness: int) -> Mapping[int, Written]:
        """One query over the records that may have to do with rows, in their order."""
        with self._session() as (connection, schema, _), connection.transaction():
            connection.execute("SELECT pg_catalog.set_config('statement_timeout', %s, true)", (f"{TIMEOUT_S}s",))
            query = queries.load(_PACKAGE, "wal/records").format(schema=sql.Identifier(schema))
            with connection.cursor(name="ringfence_wal") as records:
                records.itersize = _AT_ONCE
                params = {"start": span.start, "end": span.end, "database": span.database_oid}
                return _account(records.execute(query, params), span, witness=witness, source=self.name)

    def obstacle(self) -> str | None:
        """Why it cannot be read, as far as that is known before."""
        try:
            with self._session():
                return None
        except WalError as error:
            return error.message

    @contextlib.contextmanager
    def _session(self) -> Iterator[tuple[Connection, str, int]]:
        """A session where the extension is, its schema, and the server's major."""
        try:
            for target in self.targets:
                with connect(target) as connection:
                    major = capability.major(connection.info.server_version)
                    if not capability.has_walinspect(major):
                        raise WalError(f"pg_walinspect: PostgreSQL {major} does not have it")
                    schema = _schema(connection, major)
                    if schema is not None:
                        yield connection, schema, major
                        return
        except (ConnectError, QueryError) as error:
            raise WalError(f"pg_walinspect: {error.message}") from error
        raise WalError("pg_walinspect: the extension is not installed on production, or this role may not use it")

    def _read(self, connection: Connection, schema: str, major: int, span: WalSpan) -> Touched:
        connection.execute("SELECT pg_catalog.set_config('statement_timeout', %s, false)", (f"{TIMEOUT_S}s",))
        params = {
            "start": span.start,
            "end": span.end,
            "database": span.database_oid,
            "files": list(span.files),
            "message": f'%prefix "{nonce_prefix("")}%',
        }
        found: set[str] = set()
        doubt: str | None = None
        for manager, _, description in _rows(connection, "wal/notices", schema, params):
            if manager == "LogicalMessage":
                found |= {n for n in span.nonces if f'prefix "{nonce_prefix(n)}"' in description}
            else:
                doubt = DATABASE_REPLACED if manager == "Database" else SETTINGS_CHANGED
        require_words(span, found, source=self.name)
        name = "wal/blocks" if capability.has_wal_block_info(major) else "wal/block_texts"
        blocks: dict[int, set[int]] = {}
        overwritten: set[int] = set()
        for number, block, whole in _rows(connection, name, schema, params):
            blocks.setdefault(number, set()).add(block)
            if whole:
                overwritten.add(number)
        return Touched(source=self.name, blocks=blocks, overwritten=overwritten, doubt=doubt)


def _schema(connection: Connection, major: int) -> str | None:
    """Where the extension's functions are, if all that is needed is there and may be called."""
    found: dict[str, str] = dict(connection.execute(queries.load(_PACKAGE, "wal/walinspect")).fetchall())
    needed = {_RECORDS, _BLOCKS} if capability.has_wal_block_info(major) else {_RECORDS}
    return found[_RECORDS] if needed <= found.keys() else None


def _rows(connection: Connection, name: str, schema: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    query = queries.load(_PACKAGE, name).format(schema=sql.Identifier(schema))
    return connection.execute(query, params).fetchall()


def _account(records: Iterable[tuple[Any, ...]], span: WalSpan, *, witness: int, source: str) -> Mapping[int, Written]:
    """Who wrote what, from rows of the query `records`."""
    wanted = {*span.files, witness}
    ledger = Ledger(witness=witness, files=span.files)
    found: set[str] = set()
    for xid, manager, kind, description, blocks in records:
        if manager == "LogicalMessage":
            found |= {n for n in span.nonces if f'prefix "{nonce_prefix(n)}"' in description}
            if (who := _SAID.search(description)) is not None:
                ledger.said(xid, bytes.fromhex(who[1]))
            continue
        if manager == "Database":
            raise WalError(DATABASE_REPLACED)
        if manager == "XLOG" and kind == "PARAMETER_CHANGE":
            raise WalError(SETTINGS_CHANGED)
        files = {
            int(number)
            for database, number, fork in _BLOCK.findall(blocks or "")
            if int(number) in wanted and int(database) == span.database_oid and fork in ("", "main")
        }
        if files or manager == "Transaction":
            ledger.record(xid=xid, manager=manager, kind=kind, description=description or "", files=files)
    require_words(span, found, source=source)
    return ledger.written()
