"""What every command that writes asks first: is this provably production, is that provably the test server?

Nothing is taken from an address or a name. The stamp says what a database is for, the record says that it is the one it
was, and the servers themselves say that they are two. Whatever cannot be shown is refused (7).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ringfence.engines.model import EnvironmentName
from ringfence.errors import IdentityError
from ringfence.postgres import databases, identity
from ringfence.postgres.connection import ConnectError, Connection, QueryError, connect
from ringfence.postgres.identity import Identity
from ringfence.postgres.target import Target
from ringfence.redact import one_line
from ringfence.workflow import known
from ringfence.workflow.project import Project

CHECK_SETTINGS = "check in ringfence.toml that host, port, database and role are the ones you mean"


@contextlib.contextmanager
def production(project: Project, *, read_only: bool = True) -> Iterator[Connection]:
    """A session in production's database, proven to be in it. Raises IdentityError (7), or ConnectError."""
    with session("production", project.target("production"), read_only=read_only) as connection:
        require_production(project, connection)
        yield connection


def require_production(project: Project, connection: Connection) -> Identity:
    """Refuse (7) unless the database behind this connection is this project's production: stamp and record."""
    recorded = known.read(project).get("production")
    seen = identity.require_stamp(
        connection, database=project.database("production"), environment="production", project=project.name
    )
    if seen.database != project.database("production"):
        raise IdentityError(
            f'the session is in database "{one_line(seen.database)}", not in "{project.database("production")}"'
        )
    known.require("production", recorded, known.look(project, "production", connection, seen))
    return seen


def require_test_server(project: Project, connection: Connection) -> Identity:
    """Refuse (7) unless this is the test server: known as it, apart from production, its database stamped as test.

    The connection may be in any database of the server. A test database that is not there has no stamp to ask for.
    """
    seen = identity.read_identity(connection)
    require_not_production(project, connection, seen)
    known.require("test", known.read(project).get("test"), known.Seen(identity=seen))
    database = project.database("test")
    if databases.exists(connection, database):
        identity.require_stamp(connection, database=database, environment="test", project=project.name)
    return seen


def require_not_production(
    project: Project, connection: Connection, seen: Identity, *, may_be_unknown: bool = False
) -> None:
    """Refuse (7) where this server is production's, a copy of its files or a standby of it.

    By the record, which also holds while production does not answer, and by a lock that two connections share only in
    one running server. Where neither can be asked it is refused too, unless it ``may_be_unknown``: before production
    was ever up there is nothing to compare with.
    """
    recorded = known.read(project).get("production")
    _refuse_the_recorded(recorded, seen)
    try:
        with session("production", project.target("production")) as there:
            identity.require_apart(there, connection)
    except ConnectError as error:
        if recorded is None and not may_be_unknown:
            raise IdentityError(f"cannot show that test is not production: {error.message}", hint=error.hint) from error
        # A production that answers nobody is not the server that answers here: the record says so.


def refuse_one_server_for_both(project: Project) -> None:
    """Refuse (7) a change of production's server while test is seen to lead there: settings that are wrong about one
    environment are trusted about none.

    A test server that does not answer, or lets nobody in, shows nothing: production may need this in an emergency.
    """
    recorded = known.read(project).get("production")
    with (
        contextlib.suppress(ConnectError, QueryError),
        connect(project.engine("test").target("postgres")) as connection,
    ):
        _refuse_the_recorded(recorded, identity.read_identity(connection))


def _refuse_the_recorded(recorded: known.Known | None, seen: Identity) -> None:
    if recorded is not None and recorded.system_identifier == seen.system_identifier:
        raise IdentityError(
            f"test's server is production's server, or a copy of its files ({seen.describe()})",
            hint="check where [test] leads in ringfence.toml; test needs a server of its own",
        )


@contextlib.contextmanager
def session(environment: EnvironmentName, target: Target, *, read_only: bool = True) -> Iterator[Connection]:
    """A session on an environment's server. Nothing is proven yet, but who refuses to be asked is refused (7).

    A server that is there and does not know role, password or database may be another one than the one that is meant.
    One that does not answer at all is the caller's to judge, as a ConnectError.
    """
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(connect(target, read_only=read_only))
        except ConnectError as error:
            if not error.answered:
                raise
            raise IdentityError(
                f"what answers is not provably {environment}: {error.message}",
                hint=CHECK_SETTINGS + (f"; {error.hint}" if error.hint else ""),
            ) from error
        yield connection
