"""Roles that a backup names and production's server has no more: made again, without a way in."""

from __future__ import annotations

import re

from psycopg import sql

from ringfence.integrity.model import State
from ringfence.postgres.connection import Connection
from ringfence.workflow.rights.properties import plain_name

_NAME = r'"(?:[^"]|"")*"|\S+'
_MEMBERSHIP = re.compile(rf"(?P<member>{_NAME}) in (?P<role>{_NAME}) by (?P<grantor>{_NAME})(?: \(\d+\))?")
_FLAGS = {
    "rolsuper": sql.SQL("SUPERUSER"),
    "rolcreatedb": sql.SQL("CREATEDB"),
    "rolcreaterole": sql.SQL("CREATEROLE"),
    "rolreplication": sql.SQL("REPLICATION"),
    "rolbypassrls": sql.SQL("BYPASSRLS"),
}


def make_missing_roles(admin: Connection, state: State) -> tuple[str, ...]:
    """Make the roles of a baseline that are not there, so that owners and rights can be restored. Returns their names.

    No baseline holds a password, so none is set and none may log in: whoever needs one is let in by a person. Roles
    that are there are left exactly as they are. Memberships are given back only where one of both was made here.
    """
    there = {row[0] for row in admin.execute("SELECT rolname FROM pg_catalog.pg_roles")}
    made: list[str] = []
    with admin.transaction():
        for quoted, attributes in state.get("cluster-role", {}).items():
            role = plain_name(quoted)
            if role in there or role.startswith("pg_"):
                continue
            options = [word for flag, word in _FLAGS.items() if attributes.get(flag)]
            options.append(sql.SQL("INHERIT" if attributes.get("rolinherit") else "NOINHERIT"))
            admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN {}").format(sql.Identifier(role), sql.SQL(" ").join(options)))
            made.append(role)
        for text in state.get("cluster-membership", {}):
            match = _MEMBERSHIP.fullmatch(text)
            if match is None:
                continue
            member, role = plain_name(match["member"]), plain_name(match["role"])
            if (member in made or role in made) and {member, role} <= there | set(made):
                admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(member)))
    return tuple(made)
