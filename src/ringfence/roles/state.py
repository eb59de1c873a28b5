"""What is so: the rights of the app role and of PUBLIC in one database, read in one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ringfence.errors import InternalError
from ringfence.postgres import capability, queries
from ringfence.postgres.connection import Connection
from ringfence.roles import session
from ringfence.roles.model import GUARD_TRIGGERS, Policy


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of an access list. ``grantee`` is None for PUBLIC, ``column`` None for the whole object."""

    grantee: str | None
    privilege: str
    grantable: bool
    grantor: str
    column: str | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """``identity``: a sequence hands its values out; ``key``: rows are found or referred to by it; ``measured_by``: the
    function that says how large a value is, None where the type or a check bounds it."""

    name: str
    number: int
    generated: bool
    identity: bool
    key: bool
    measured_by: str | None


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A table, view or sequence (``kind`` as in ``pg_class``) with the entries of the app and of PUBLIC."""

    schema: str
    name: str
    kind: str
    owner: str
    partition: bool
    entries: tuple[Entry, ...]
    columns: tuple[Column, ...]
    triggers: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Schema:
    """A schema that is not the server's own."""

    name: str
    owner: str
    extension: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True)
class State:
    """One database and its cluster, as far as the app's rights go. ``role`` is None where there is no such role."""

    major: int
    role: Mapping[str, bool] | None
    memberships: tuple[Mapping[str, Any], ...]
    logins: tuple[str, ...]
    databases: tuple[Mapping[str, Any], ...]
    owned: tuple[Mapping[str, Any], ...]
    schemas: tuple[Schema, ...]
    relations: tuple[Relation, ...]
    creators: tuple[str, ...]
    defaults: tuple[Mapping[str, Any], ...]
    settings: tuple[Mapping[str, Any], ...]
    public_functions: tuple[str, ...]
    guard: str | None
    guard_open: bool


def read(connection: Connection, policy: Policy) -> State:
    """Read it all; the connection is the administrator's, in the policy's database."""
    session.tell(connection, policy, guards=GUARD_TRIGGERS)
    row = connection.execute(queries.load("ringfence.roles", "state")).fetchone()
    if row is None:
        raise InternalError("the server did not say what rights there are")
    found: Mapping[str, Any] = row[0]
    return State(
        major=capability.major(connection.info.server_version),
        role=found["role"],
        memberships=tuple(found["memberships"]),
        logins=tuple(found["logins"]),
        databases=tuple(found["databases"]),
        owned=tuple(found["owned"]),
        schemas=tuple(_schema(s) for s in found["schemas"]),
        relations=tuple(_relation(r) for r in found["relations"]),
        creators=tuple(found["creators"]),
        defaults=tuple(found["defaults"]),
        settings=tuple(found["settings"]),
        public_functions=tuple(found["public_functions"]),
        guard=found["guard"],
        guard_open=bool(found["guard_open"]),
    )


def _schema(given: Mapping[str, Any]) -> Schema:
    return Schema(
        name=given["name"], owner=given["owner"], extension=given["extension"], entries=_entries(given["acl"])
    )


def _relation(given: Mapping[str, Any]) -> Relation:
    return Relation(
        schema=given["schema"],
        name=given["name"],
        kind=given["kind"],
        owner=given["owner"],
        partition=given["partition"],
        entries=_entries(given["acl"]),
        columns=tuple(Column(**c) for c in given["columns"]),
        triggers={name: (enabled, arguments) for name, (enabled, arguments) in given["triggers"].items()},
    )


def _entries(given: Sequence[Mapping[str, Any]]) -> tuple[Entry, ...]:
    return tuple(Entry(**e) for e in given)
