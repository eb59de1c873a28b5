"""Whole databases of one server: there or not, made empty or by copying, renamed in one transaction, dropped."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
from psycopg import sql

from ringfence.postgres import capability, queries
from ringfence.postgres.connection import Connection, one_value

_NAME_BYTES = 63


def exists(connection: Connection, database: str) -> bool:
    """Whether the server has a database of that name."""
    query = "SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s"
    return connection.execute(query, (database,)).fetchone() is not None


def oid_of(connection: Connection, database: str) -> int | None:
    """The oid by which the server knows a database whatever it is called; None where there is none of that name."""
    row = connection.execute("SELECT oid FROM pg_catalog.pg_database WHERE datname = %s", (database,)).fetchone()
    return int(row[0]) if row else None


def size_bytes(connection: Connection, database: str) -> int:
    """How much room a database takes on its server, as far as the server has written it."""
    return int(one_value(connection, sql.SQL("SELECT pg_catalog.pg_database_size(%s::pg_catalog.name)"), (database,)))


def beside(database: str, purpose: str) -> str:
    """A name for a database that belongs to another: ``inventory_test_reference``; never longer than PostgreSQL's 63
    bytes, and still its own for long names, because a digest takes the place of what is cut off."""
    name = f"{database}_{purpose}"
    if len(name.encode()) <= _NAME_BYTES:
        return name
    tail = f"_{hashlib.sha256(database.encode()).hexdigest()[:8]}_{purpose}"
    return database.encode()[: _NAME_BYTES - len(tail)].decode("utf-8", "ignore") + tail


def read_locale(connection: Connection, database: str) -> dict[str, str]:
    """How a database encodes and compares text: encoding, LC_COLLATE, LC_CTYPE, provider, and its locale if any."""
    row = connection.execute(queries.load("ringfence.postgres", "database_locale"), {"database": database}).fetchone()
    if row is None:
        raise psycopg.errors.InvalidCatalogName(f"database {database!r} does not exist")
    described, encoding = row
    column = capability.icu_locale_column(capability.major(connection.info.server_version))
    found = {"encoding": encoding, "collate": described["datcollate"], "ctype": described["datctype"]}
    provider = {"i": "icu", "b": "builtin"}.get(described.get("datlocprovider", "c"), "libc")
    if provider != "libc" and column:
        found["locale"] = described[column]
    return found | {"provider": provider}


def locale_clause(locale: Mapping[str, str], *, major: int) -> sql.Composed:
    """What `read_locale` found as the end of a CREATE DATABASE on a server of a major (pure).

    The provider is always named: where it is left out it is template0's, which may be another one.
    """
    clause = sql.SQL("ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
        sql.Literal(locale["encoding"]), sql.Literal(locale["collate"]), sql.Literal(locale["ctype"])
    )
    if locale["provider"] == "libc" and capability.has_locale_providers(major):
        clause += sql.SQL(" LOCALE_PROVIDER libc")
    if "locale" in locale:
        key = sql.SQL("ICU_LOCALE") if locale["provider"] == "icu" else sql.SQL("BUILTIN_LOCALE")
        clause += sql.SQL(" LOCALE_PROVIDER {} {} {}").format(
            sql.SQL("icu") if locale["provider"] == "icu" else sql.SQL("builtin"), key, sql.Literal(locale["locale"])
        )
    return clause


def create_empty(connection: Connection, database: str, locale: sql.Composed) -> None:
    """Make a database from template0: what somebody planted in template1 does not get into it."""
    connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(sql.Identifier(database), locale))


def copy(connection: Connection, source: str, database: str) -> str:
    """Make a database as a copy of another one of the same server, by the fastest way it has; which one is returned.

    Sessions in the source are ended first. ``clone`` shares blocks (18+, where the file system can: there is no way to
    ask but to try); ``file_copy`` copies files and writes no WAL (before 15 it was the only way and had no name).
    """
    major = capability.major(connection.info.server_version)
    strategy = sql.SQL(" STRATEGY file_copy") if capability.has_create_database_strategy(major) else sql.SQL("")
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}{}").format(
        sql.Identifier(database), sql.Identifier(source), strategy
    )
    used = "file_copy"

    def make() -> None:
        nonlocal used
        if _clones(connection, major):
            try:
                connection.execute(statement)
                used = "clone"
                return
            except psycopg.OperationalError:
                connection.execute("SET file_copy_method = copy")  # this file system has no clones
        connection.execute(statement)

    _without_sessions(connection, [source], make)
    return used


def _clones(connection: Connection, major: int) -> bool:
    """Whether the server could clone files; one that was built without refuses the setting."""
    if not capability.has_file_clones(major):
        return False
    try:
        connection.execute("SET file_copy_method = clone")
    except psycopg.errors.InvalidParameterValue:
        return False
    return True


def allow_connections(connection: Connection, database: str) -> None:
    """Let sessions into a database again that somebody closed (``ALLOW_CONNECTIONS false``)."""
    query = "SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s AND NOT datallowconn"
    if connection.execute(query, (database,)).fetchone():
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(database)))


def drop(connection: Connection, database: str) -> None:
    """Remove a database and end the sessions in it; nothing happens where it is not there.

    One that somebody made a template is removed too: only databases of the tool's own are ever dropped.
    """
    query = "SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s AND datistemplate"
    if connection.execute(query, (database,)).fetchone():
        connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(database)))
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


def swap(
    connection: Connection,
    *,
    current: str,
    replacement: str,
    aside: str,
    in_transaction: Callable[[], None],
    between: Callable[[], None] = lambda: None,
) -> None:
    """Put ``replacement`` in the place of ``current`` and keep the old one as ``aside``.

    Both renames are one transaction, so that the name always leads to a whole database; ``in_transaction`` runs in it
    first, with the names still as they were (to write stamps), ``between`` after the first rename (to show that nobody
    sees it). Sessions in both databases are ended.
    """

    def rename() -> None:
        with connection.transaction():
            in_transaction()
            if exists(connection, current):
                _rename(connection, current, aside)
                between()
            _rename(connection, replacement, current)

    _without_sessions(connection, [current, replacement], rename)


def _rename(connection: Connection, old: str, new: str) -> None:
    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))


def _without_sessions(connection: Connection, names: Sequence[str], act: Callable[[], object]) -> None:
    """Do something that waits until nobody else is connected to these databases, and send everybody away meanwhile.

    The server takes its lock first, so that nobody can come in any more, and then waits 5 s for those who are in: a
    client that connects again and again is kept out only if the others are ended from beside, while it waits.
    """
    done = threading.Event()
    with psycopg.connect(connection.info.dsn, autocommit=True) as beside_it, ThreadPoolExecutor(max_workers=1) as pool:
        ending = pool.submit(_end_sessions, beside_it, names, connection.info.backend_pid, done)
        try:
            act()
        finally:
            done.set()
        ending.result()


def _end_sessions(connection: Connection, names: Sequence[str], spared: int, done: threading.Event) -> None:
    while True:
        connection.execute(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
            "WHERE datname = ANY (%s) AND pid <> %s AND pid <> pg_catalog.pg_backend_pid()",
            (list(names), spared),
        )
        if done.wait(0.05):
            return
