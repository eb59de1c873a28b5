"""What stands in the way of putting a database aside, though nobody's session would have to be ended for it.

A prepared transaction holds the database until somebody decides about it. A logical replication slot stays with the
database it was made in, out of its reader's reach, and keeps WAL for ever. The worker of a subscription goes on writing
into the database that is kept for the investigation; a database that has any cannot be dropped. None of them is ended
by the tool: each is somebody's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from ringfence.errors import RestoreError
from ringfence.postgres import queries
from ringfence.postgres.connection import Connection
from ringfence.redact import one_line

_MOST_NAMED = 5
_DISABLED = "disabled subscription"


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """One thing that is tied to a database. ``role`` owns it, ``pid`` is the server process that uses it now."""

    kind: str
    name: str
    role: str | None
    pid: int | None

    def described(self) -> str:
        """``prepared transaction "x" of role y``."""
        role = f" of role {one_line(self.role)}" if self.role else ""
        pid = f", in use by server process {self.pid}" if self.pid else ""
        return f'{self.kind} "{one_line(self.name)}"{role}{pid}'

    def way_out(self) -> str:
        """The statement that ends it, with its name quoted."""
        return one_line(_WAYS_OUT[self.kind](self))


_WAYS_OUT: Mapping[str, Callable[[Obstacle], str]] = {
    "prepared transaction": lambda o: _statement("ROLLBACK PREPARED {}", sql.Literal(o.name)) + " (or COMMIT PREPARED)",
    "replication slot": lambda o: (
        "stop its reader, then " * (o.pid is not None)
        + _statement("SELECT pg_drop_replication_slot({})", sql.Literal(o.name))
        + ", and make it again in the restored database"
    ),
    _DISABLED: lambda o: (
        _statement("ALTER SUBSCRIPTION {} SET (slot_name = NONE)", sql.Identifier(o.name))
        + ", then "
        + _statement("DROP SUBSCRIPTION {}", sql.Identifier(o.name))
    ),
    "subscription": lambda o: (
        _statement("ALTER SUBSCRIPTION {} DISABLE", sql.Identifier(o.name))
        + ", and make it again in the restored database"
    ),
}


def require_none(admin: Connection, database: str, *, is_dropped: bool = False) -> tuple[str, ...]:
    """Refuse (RestoreError, 6) while something holds a database, naming who and the way out of the first one.

    ``is_dropped`` says that the database is not kept after it was put aside. Returns what a person should know of
    things that are tied to it and not in the way.
    """
    rows = admin.execute(queries.load("ringfence.workflow", "obstacles"), {"database": database}).fetchall()
    found = [Obstacle(kind=kind, name=name, role=role, pid=pid) for kind, name, role, pid in rows]
    blocking = [o for o in found if is_dropped or o.kind != _DISABLED]
    if blocking:
        told = "; ".join(o.described() for o in blocking[:_MOST_NAMED])
        more = f"; and {len(blocking) - _MOST_NAMED} more" if len(blocking) > _MOST_NAMED else ""
        raise RestoreError(
            f"{one_line(database)} cannot be put aside, it is held by {told}{more}",
            hint=f"decide about each; for the first, in {one_line(database)}: {blocking[0].way_out()}",
        )
    return tuple(f"{o.described()} is not in the restored database; make it there again if it is needed" for o in found)


def _statement(text: LiteralString, value: sql.Composable) -> str:
    return sql.SQL(text).format(value).as_string()
