"""Servers that are there already: a throw-away cluster of a worker, described as a settings file would."""

from __future__ import annotations

import secrets
from typing import Any

import psycopg
from psycopg import sql
from tests.postgres.conftest import Server
from tests.postgres.engines.conftest import Place

from ringfence.engines.model import EnvironmentName
from ringfence.engines.server import ServerEngine
from ringfence.postgres.programs import find_client_programs
from ringfence.postgres.target import PassEntry, add_passwords, find_password


def engine_of(server: Server, place: Place, environment: EnvironmentName = "test", **other: Any) -> ServerEngine:
    """An engine for a running cluster; its password is in a pgpass file of the test's own."""
    passfile = place.path / "config" / "pgpass"
    password = find_password(server.target.passfile, host="127.0.0.1", port=server.port, user=server.target.user)
    assert password is not None
    settings: dict[str, Any] = {
        "environment": environment,
        "host": "127.0.0.1",
        "port": server.port,
        "database": "postgres",
        "superuser": server.target.user,
        "parameters": (),
        "passfile": passfile,
        "clients_available": find_client_programs(),
        "environ": {},
    } | other
    entries = [PassEntry(host=h, port=server.port, user=server.target.user, password=password) for h in ("127.0.0.1",)]
    add_passwords(passfile, entries)
    return ServerEngine(**settings)


def ordinary_role(server: Server, engine: ServerEngine, *rights: str, database: str = "postgres") -> str:
    """A role that is no superuser; ``rights`` are statements in which ``{role}`` stands for it."""
    name, password = f"r{secrets.token_hex(4)}", secrets.token_hex(8)
    with psycopg.connect(server.target.on(database).conninfo(), autocommit=True) as connection:
        role = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        for right in rights:
            connection.execute(sql.SQL(right).format(role=role))  # type: ignore[arg-type]
    add_passwords(engine.passfile, [PassEntry(host=engine.host, port=server.port, user=name, password=password)])
    return name
