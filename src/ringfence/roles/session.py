"""A session that knows the policy: it stands in settings, where the queries read it, so each can be run in psql too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ringfence.postgres import queries
from ringfence.postgres.connection import Connection
from ringfence.roles.model import GUARD_SCHEMA, GUARD_TRIGGERS, Policy

_STATEMENT_TIMEOUT = "60s"


def tell(connection: Connection, policy: Policy, *, guards: Sequence[str] | None = None) -> None:
    """Set ``ringfence.*`` in the session, and which roles the app can reach in this database."""
    values = {
        "app": policy.app,
        "admin": policy.admin,
        "database": policy.database,
        "guard": GUARD_SCHEMA,
        "idle_s": str(policy.idle_s),
        "contained": "on" if policy.contained else "off",
        "member_of": _array(policy.member_of),
        "superusers": _array(policy.superusers),
        "guards": _array((*GUARD_TRIGGERS, *policy.guards) if guards is None else guards),
        "known_functions": _array(policy.known_functions),
        "settings": _array([f"{name}={value}" for name, value in policy.settings.items()]),
    }
    settings = {"statement_timeout": _STATEMENT_TIMEOUT} | {f"ringfence.{n}": v for n, v in values.items()}
    connection.execute(
        "SELECT pg_catalog.set_config(name, value, false) FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.text[]), "
        "pg_catalog.unnest(%s::pg_catalog.text[])) AS given(name, value)",
        (list(settings), list(settings.values())),
    )
    row = connection.execute(queries.load("ringfence.roles", "reach")).fetchone()
    reach = row[0] if row and row[0] else "{0}"
    connection.execute("SELECT pg_catalog.set_config('ringfence.reach', %s, false)", (reach,))


def follow(connection: Connection) -> None:
    """After `tell`: set where the app's writing arrives, as ``ringfence.written``, ``lent``, ``cascaded``."""
    connection.execute(queries.load("ringfence.roles", "written")).fetchall()


def _array(values: Iterable[str]) -> str:
    # The text form of a text[]: JSON's escapes of quote and backslash are the same as an array's.
    return "{" + ",".join(json.dumps(v, ensure_ascii=False) for v in values) + "}"
