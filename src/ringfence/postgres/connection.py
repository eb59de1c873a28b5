"""Connections: read-only by default, every setting that changes how a value is written pinned, nothing inherited."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from ringfence.errors import RingfenceError
from ringfence.postgres.target import SILENT, Target, pin, remove_libpq_environment, silence
from ringfence.wording import counted

Connection = psycopg.Connection[TupleRow]

_ADDRESS = re.compile(r"^connection failed: connection to server at \S+, port \d+ failed: ")

_NOT_SILENT = ("event_triggers", "startup parameter")
_SETTLED: set[tuple[str, int, str]] = set()

PINNED_SETTINGS: dict[str, str] = {
    # How values are written as text; six of the first seven were seen to change the text of the same row.
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmloption": "content",
    "lc_messages": "C",
    # Names mean what they say: nothing on a search path can stand in for a table, an operator or a function.
    "search_path": "",
    # A policy that hides rows from this session is an error, never a shorter result.
    "row_security": "off",
    # Production must not be held up by a session that waits or was forgotten.
    "lock_timeout": "10s",
    # Longer than any step may take: the session that holds the snapshot is idle while others read in it.
    "idle_in_transaction_session_timeout": "8h",
    "idle_session_timeout": "0",
    "statement_timeout": "0",
    "client_min_messages": "warning",
    "default_transaction_isolation": "read committed",
    "jit": "off",
}


_FOR_SUPERUSERS = frozenset({"lc_messages"})
"""What an ordinary role may not set; it only changes messages, so such a role goes without."""


_NOT_ANSWERED = re.compile(
    r"refused|timed out|timeout expired|unreachable|no route|not translate host|no such file|not known|"
    r"closed the connection|starting up|shutting down|recovery mode|not accepting connections|too many (clients|conn)|"
    r"connection slots|cannot assign|reset by peer|permission denied$|operation not permitted$",
    re.IGNORECASE | re.MULTILINE,
)
"""libpq's and the server's words for: nobody there, or not now. What else they say is somebody's refusal."""


class ConnectError(RingfenceError):
    """The server could not be reached or refused the role. Callers turn it into their own error.

    ``answered`` says that a server is there and does not know this role, its password or the database: then it may be
    another server than the one that is meant.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None, answered: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.answered = answered


class QueryError(RingfenceError):
    """The server refused a statement. Callers turn it into their own error."""


@contextlib.contextmanager
def connect(target: Target, *, read_only: bool = True, autocommit: bool = True) -> Iterator[Connection]:
    """A session on ``target`` with `PINNED_SETTINGS`, closed at the end of the block whatever happens.

    In a ``read_only`` session a statement that writes is refused, whatever functions and views it goes through (before
    16 but for the functions of large objects); a statement that begins a writing transaction is not. Raises
    `ConnectError` with the server's words when no session could be had, and `QueryError` for a statement that the
    server refused inside the block.
    """
    connection = _open(target)
    try:
        with connection:
            connection.autocommit = True
            _require_no_pooler(target, connection)
            _pin(connection, read_only=read_only)
            connection.autocommit = autocommit
            yield connection
    except psycopg.Error as error:
        raise QueryError(f"{target}: {error_text(error)}") from error
    finally:
        connection.close()


def _open(target: Target) -> Connection:
    remove_libpq_environment()
    try:
        connection = _open_in_silence(target) or psycopg.connect(target.conninfo(), autocommit=True)
        pin(target, connection.info.hostaddr)
        return connection
    except psycopg.Error as error:
        words = connect_text(error)
        raise ConnectError(
            f"cannot connect to {target}: {words}", hint=_hint(str(error)), answered=is_answer(str(error))
        ) from error


def is_answer(words: str) -> bool:
    """Whether a server spoke, at any of the addresses that the name of the host has (pure)."""
    parts = re.split(r"(?=connection to server )", words)
    attempts = [part for part in parts if part.startswith("connection to server ")] or [words]
    return any(not _NOT_ANSWERED.search(attempt) for attempt in attempts)


def _open_in_silence(target: Target) -> Connection | None:
    """The first session at a door, without login event triggers; None where that was settled, or is not possible.

    A trigger that writes down who logged in would make every look at production a change of it. Before 17 there are
    none; an ordinary role cannot keep them from running, and a pooler may not pass the option on.
    """
    if target.door in _SETTLED:
        return None
    try:
        opened = psycopg.connect(make_conninfo(target.conninfo(), options=SILENT), autocommit=True)
    except psycopg.OperationalError as error:
        if not any(words in str(error) for words in _NOT_SILENT):
            raise
        _SETTLED.add(target.door)
        return None
    _SETTLED.add(target.door)
    silence(target)
    return opened


def _require_no_pooler(target: Target, connection: Connection) -> None:
    """Refuse what hands out sessions of a server in turn: what is set or proven in one says nothing about the next.

    It betrays itself by the process id that it made up for the connection.
    """
    row = connection.execute("SELECT pg_catalog.pg_backend_pid()", prepare=False).fetchone()
    if row is None or row[0] != connection.info.backend_pid:
        raise ConnectError(
            f"a pooler answers at {target.address}: the session is server process {row[0] if row else '?'}, and the "
            f"connection was given {connection.info.backend_pid}",
            hint="give the address of the server itself in ringfence.toml, not the pooler's",
            answered=True,
        )


def _pin(connection: Connection, *, read_only: bool) -> None:
    settings = PINNED_SETTINGS | {"default_transaction_read_only": "on" if read_only else "off"}
    superuser = connection.info.parameter_status("is_superuser") == "on"
    given = {name: value for name, value in settings.items() if superuser or name not in _FOR_SUPERUSERS}
    # One statement, because every one of them is a journey to the server; no operator, which a search path could give.
    connection.execute(
        "SELECT pg_catalog.set_config(name, value, false) FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.text[]), "
        "pg_catalog.unnest(%s::pg_catalog.text[])) AS given(name, value)",
        (list(given), list(given.values())),
    )


def _hint(words: str) -> str | None:
    if "refused" in words or "No such file" in words or "timeout" in words:
        return "is the server running? 'ringfence status' shows it, 'ringfence up' starts it"
    if "password" in words or "authentication" in words:
        return "the password comes from the project's pgpass file; 'ringfence up' says where it is"
    return None


def error_text(error: psycopg.Error) -> str:
    """What the server or libpq said, on one line, with its detail."""
    diagnosis = error.diag
    # libpq's own words come in several lines, of which the first says what happened.
    primary = diagnosis.message_primary or str(error).strip().split("\n")[0] or type(error).__name__
    context = diagnosis.message_detail
    return f"{primary} ({context})" if context else primary


def connect_text(error: psycopg.Error) -> str:
    """Why no session could be had, without the address, which whoever tells it names anyway."""
    return _ADDRESS.sub("", error_text(error))


def one_value(connection: Connection, query: sql.SQL | sql.Composed, params: Any = None) -> Any:
    """The single value of a query that returns exactly one row of one column; QueryError otherwise."""
    rows = connection.execute(query, params).fetchall()
    if len(rows) != 1 or len(rows[0]) != 1:
        raise QueryError(f"expected one value, got {counted(len(rows), 'row')}")
    return rows[0][0]
