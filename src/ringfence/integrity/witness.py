"""The witness: how a transaction shows that it is the application's, and how that is put into a database.

Every table gets a statement trigger. In a session of the application's role it locks one row of a small table that
nobody else may lock; the lock's record in the WAL carries the transaction's number. In other sessions it writes a
message that says who they are. docs/design.md argues what that proves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from ringfence.integrity.attribution import LOCAL, WITNESSED, Application
from ringfence.integrity.model import TableName
from ringfence.postgres import capability, queries
from ringfence.postgres.connection import Connection, QueryError
from ringfence.redact import one_line, quote_ident

SCHEMA, TABLE = "ringfence_live", "witness"
TRIGGER = "zz_ringfence_live"
WITNESS = TableName(schema=SCHEMA, name=TABLE)
SLOTS = 256
_PACKAGE = "ringfence.integrity"


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What is there. ``problems`` are sentences about what makes the witness say nothing at all; ``without`` are the
    tables without the trigger, or with another one of its name (``replaced``)."""

    has_schema: bool
    has_witness: bool
    body: str | None
    others: tuple[str | None, ...]
    problems: tuple[str, ...]
    without: tuple[TableName, ...]
    replaced: tuple[TableName, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every table's writers can be told."""
        return not self.problems and not self.without


def body_of(application: Application, *, major: int) -> str:
    """The trigger function's text for a server of some major (pure).

    From 16 on a session also knows as whom it was authenticated: SET SESSION AUTHORIZATION does not change that.
    """
    authenticated = "true"
    if capability.has_system_user(major):
        authenticated = (
            "(system_user IS NULL OR system_user !~ '^(scram-sha-256|md5|password):' OR "
            "pg_catalog.substr(system_user, pg_catalog.strpos(system_user, ':') + 1) = session_user)"
        )
    networks = [c for c in application.clients if c != LOCAL]
    local = "true" if LOCAL in application.clients else "false"
    client = "true"
    if application.clients:
        listed = ", ".join(sql.Literal(n).as_string(None) for n in networks)
        client = f"coalesce(pg_catalog.inet_client_addr() <<= ANY (ARRAY[{listed}]::pg_catalog.inet[]), {local})"
    return (
        queries.load(_PACKAGE, "live/attest")
        .format(
            app=sql.Literal(application.role),
            authenticated=sql.SQL(authenticated),
            client=sql.SQL(client),
            slots=sql.Literal(SLOTS),
            prefix=sql.Literal(WITNESSED),
        )
        .as_string(None)
    )


def digests(application: Application) -> tuple[str, ...]:
    """SHA-256 of the trigger function's text, of each version that a server may have (pure)."""
    majors = range(capability.OLDEST_MAJOR, capability.NEWEST_MAJOR + 1)
    return tuple(sorted({hashlib.sha256(body_of(application, major=m).encode()).hexdigest() for m in majors}))


def read(connection: Connection, application: Application) -> Installed:
    """What is there, and what is wrong with it."""
    row = connection.execute(queries.load(_PACKAGE, "live/installed")).fetchone()
    if row is None:
        raise QueryError("the server did not say whether the witness is there")
    has_schema, witness_is_sound, body, function_is_sound, one_owner, owner, others = row
    tables = connection.execute(queries.load(_PACKAGE, "live/tables")).fetchall()
    without = [TableName(schema=schema, name=name) for schema, name, _, sound in tables if not sound]
    replaced = [TableName(schema=schema, name=name) for schema, name, has_one, sound in tables if has_one and not sound]
    problems = []
    if not has_schema:
        problems.append("the witness is not there")
    else:
        rows = 0
        if witness_is_sound:
            found = connection.execute(queries.load(_PACKAGE, "live/slots"), {"slots": SLOTS}).fetchone()
            rows = int(found[0]) if found else 0
        if rows != SLOTS:
            problems.append("the witness's table is not as it was made")
        wanted = body_of(application, major=capability.major(connection.info.server_version))
        if not function_is_sound or body != wanted:
            problems.append("the witness's function is not the one for this role, these clients and this version")
        if not one_owner or owner == application.role:
            problems.append("the witness does not belong to the administrator alone")
        if others:
            named = ", ".join("PUBLIC" if o is None else quote_ident(one_line(o)) for o in others)
            problems.append(f"{named} has rights on the witness")
    return Installed(
        has_schema=bool(has_schema),
        has_witness=bool(witness_is_sound),
        body=body,
        others=tuple(others or ()),
        problems=tuple(problems),
        without=tuple(without),
        replaced=tuple(replaced),
    )


def plan(installed: Installed, application: Application, *, major: int) -> tuple[str, ...]:
    """The SQL that is missing; each text is one transaction (pure). What stands in its place and is no witness goes."""
    texts: list[str] = []
    whole = "; ".join(_setting_up(installed, application, major))
    if whole:
        texts.append(whole)
    for table in installed.without:
        drop = _drop(table) + "; " if table in installed.replaced else ""
        name = sql.Identifier(table.schema, table.name)
        texts.append(drop + queries.load(_PACKAGE, "live/trigger").format(table=name).as_string(None).strip())
    return tuple(texts)


def _setting_up(installed: Installed, application: Application, major: int) -> Iterator[str]:
    is_new = not installed.has_schema
    if installed.has_schema and (not installed.has_witness or any("table" in p for p in installed.problems)):
        yield f"DROP SCHEMA {SCHEMA} CASCADE"
        is_new = True
    if is_new:
        yield _text("live/schema", slots=sql.Literal(SLOTS))
    body = body_of(application, major=major)
    if is_new or installed.problems:
        yield _text("live/function", body=sql.Literal(body))
        for grantee in dict.fromkeys([None, application.role, *installed.others]):
            name = sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
            yield _text("live/close", grantee=name)


def removal(connection: Connection) -> tuple[str, ...]:
    """The SQL that takes all of it away again, one transaction each."""
    tables = connection.execute(queries.load(_PACKAGE, "live/tables")).fetchall()
    texts = [_drop(TableName(schema=schema, name=name)) for schema, name, has_one, _ in tables if has_one]
    row = connection.execute(queries.load(_PACKAGE, "live/installed")).fetchone()
    return (*texts, *([f"DROP SCHEMA {SCHEMA} CASCADE"] if row and row[0] else []))


def run(connection: Connection, texts: Sequence[str]) -> None:
    """Run each text in a transaction of its own: a table is locked for a moment only, and never two at a time."""
    for text in texts:
        with connection.transaction():
            connection.execute(text.encode())


def _text(name: str, **values: sql.Composable) -> str:
    return queries.load(_PACKAGE, name).format(**values).as_string(None).strip().rstrip(";")


def _drop(table: TableName) -> str:
    name = sql.Identifier(table.schema, table.name)
    return sql.SQL("DROP TRIGGER {} ON {}").format(sql.Identifier(TRIGGER), name).as_string(None)
