"""The roles of a new production database: the app role may read, insert and update, and may not delete.

This is what a first ``up`` gives; it adds what is missing and takes nothing away.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from ringfence.postgres import queries, target
from ringfence.postgres.connection import Connection
from ringfence.postgres.target import PassEntry


@dataclass(frozen=True, kw_only=True)
class AppRole:
    """The role of the running application, and where its password is kept."""

    name: str
    admin: str
    host: str
    port: int
    passfile: Path


def provision_app_role(connection: Connection, role: AppRole) -> bool:
    """Make the app role with the seed's rights in the connection's database. True when something was changed.

    The connection is the admin's and may write. Rights on tables that the admin role makes later come by default
    privileges; DELETE and TRUNCATE are never among them.
    """
    exists = connection.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", (role.name,)).fetchone()
    known = target.find_password(role.passfile, host=role.host, port=role.port, user=role.name)
    if exists and known:
        return False
    password = known or secrets.token_urlsafe(24)
    hosts = dict.fromkeys((role.host, "localhost"))
    target.add_passwords(
        role.passfile, [PassEntry(host=h, port=role.port, user=role.name, password=password) for h in hosts]
    )
    name, admin = sql.Identifier(role.name), sql.Identifier(role.admin)
    with connection.transaction():
        verb = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}") if exists else sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
        connection.execute(verb.format(name, sql.Literal(password)))
        if not exists:
            database = connection.info.dbname
            for statement in queries.load("ringfence.roles", "provision").as_string().split(";\n"):
                if statement.strip():
                    connection.execute(
                        sql.SQL(statement).format(app=name, admin=admin, database=sql.Identifier(database))
                    )
    return True
