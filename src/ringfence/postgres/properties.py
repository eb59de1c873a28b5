"""What belongs to a database as a whole and no dump of it carries: owner, rights, limits, settings, comment.

``pg_restore`` into a new database leaves all of it at its defaults: PUBLIC may connect and make temporary tables again,
and every ``ALTER DATABASE … SET`` is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from ringfence.postgres import queries
from ringfence.postgres.connection import Connection

_PRIVILEGES = {"CONNECT": sql.SQL("CONNECT"), "CREATE": sql.SQL("CREATE"), "TEMPORARY": sql.SQL("TEMPORARY")}
_LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
"""Settings whose value is a list of names, each quoted on its own (``variable_is_guc_list_quote`` in pg_dump)."""


@dataclass(frozen=True, kw_only=True, order=True)
class Grant:
    """One right on the database; ``grantee`` is empty for PUBLIC (no role has an empty name)."""

    grantee: str
    privilege: str
    grantable: bool
    grantor: str


@dataclass(frozen=True, kw_only=True, order=True)
class Setting:
    """``ALTER DATABASE … SET``, or ``ALTER ROLE … IN DATABASE … SET`` where ``role`` is not empty."""

    role: str
    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Properties:
    """Everything of a database that no dump carries; grants and settings sorted, names as the catalog has them."""

    owner: str
    grants: tuple[Grant, ...]
    connection_limit: int
    settings: tuple[Setting, ...]
    comment: str | None


def apply(connection: Connection, database: str, wanted: Properties) -> None:
    """Give a new database (nothing was set yet) these properties, in one transaction of a superuser.

    Raises psycopg's errors, for example for a role that does not exist; nothing was applied then.
    """
    name = sql.Identifier(database)
    with connection.transaction():
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(wanted.owner)))
        connection.execute(
            sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, sql.Literal(wanted.connection_limit))
        )
        connection.execute(
            sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC, {}").format(name, sql.Identifier(wanted.owner))
        )
        for grant in _grantable_first(wanted.grants, wanted.owner):
            _grant(connection, name, grant, wanted.owner)
        for setting in wanted.settings:
            _set(connection, name, setting)
        if wanted.comment is not None:
            connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(wanted.comment)))


def strip(connection: Connection, database: str) -> None:
    """Take every right on a database from all but its owner, and every role's settings in it, and let only superusers
    in: one that is kept to be looked at is not to be worked in. Its own settings, the stamp among them, stay."""
    name = sql.Identifier(database)
    connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(name))
    holders = connection.execute(queries.load("ringfence.postgres", "database_holders"), {"database": database})
    for kind, role in holders.fetchall():
        who = sql.Identifier(role) if role else sql.SQL("PUBLIC")
        if kind == "setting":
            connection.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(who, name))
        else:
            # CASCADE: what was passed on goes with the right to pass it on.
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM {} CASCADE").format(name, who))


def _grantable_first(grants: Iterable[Grant], owner: str) -> list[Grant]:
    """The owner's grants first, and those that may be passed on: what others granted depends on them."""
    return sorted(grants, key=lambda g: (g.grantor != owner, not g.grantable, g))


def _grant(connection: Connection, database: sql.Identifier, grant: Grant, owner: str) -> None:
    grantee = sql.Identifier(grant.grantee) if grant.grantee else sql.SQL("PUBLIC")
    statement = sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
        _PRIVILEGES[grant.privilege], database, grantee, sql.SQL(" WITH GRANT OPTION" if grant.grantable else "")
    )
    if grant.grantor != owner:
        # A superuser's grants are the owner's; somebody else's are made in that role.
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(grant.grantor)))
    connection.execute(statement)
    if grant.grantor != owner:
        connection.execute("RESET ROLE")


def _set(connection: Connection, database: sql.Identifier, setting: Setting) -> None:
    target = sql.SQL("ALTER DATABASE {}").format(database)
    if setting.role:
        target = sql.SQL("ALTER ROLE {} IN DATABASE {}").format(sql.Identifier(setting.role), database)
    name = sql.SQL(".").join(map(sql.Identifier, setting.name.split(".")))
    if setting.name in _LISTS:
        # As one literal the list would become one name; the session parses it as it was written, and hands it on.
        with connection.transaction():
            connection.execute("SELECT pg_catalog.set_config(%s, %s, true)", (setting.name, setting.value))
            connection.execute(sql.SQL("{} SET {} FROM CURRENT").format(target, name))
            connection.execute("SELECT pg_catalog.set_config('search_path', '', true)")
    else:
        connection.execute(sql.SQL("{} SET {} = {}").format(target, name, sql.Literal(setting.value)))
