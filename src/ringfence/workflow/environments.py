"""Bringing the two environments up and down, and telling how they are."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from psycopg import sql

from ringfence.engines.model import EngineStatus, EnvironmentName, Started
from ringfence.errors import IdentityError
from ringfence.postgres import identity
from ringfence.postgres.connection import connect
from ringfence.roles.provision import AppRole, provision_app_role
from ringfence.workflow import hold
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project

BOTH: tuple[EnvironmentName, ...] = ("production", "test")


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What ``up`` did for one environment; ``changes`` is empty where everything stood already."""

    environment: EnvironmentName
    changes: tuple[str, ...]
    status: EngineStatus


def up(project: Project, which: Sequence[EnvironmentName], progress: Progress) -> tuple[Brought, ...]:
    """Start the servers, and make databases, roles and stamps that are missing. A second call changes nothing.

    Raises EngineError (2) for a server that cannot run and IdentityError (7) for a database with another's stamp.
    """
    with ThreadPoolExecutor(max_workers=len(which)) as pool:
        waiting = [(e, pool.submit(project.engine(e).start)) for e in which]
        started = [(e, f.result()) for e, f in waiting]
    brought = []
    for environment, server in started:
        changes = [*_server_changes(environment, server), *_furnish(project, environment)]
        for change in changes:
            progress.say(f"{environment}: {change}")
        brought.append(
            Brought(environment=environment, changes=tuple(changes), status=project.engine(environment).status())
        )
    if all(project.engine(e).status().state == "running" for e in BOTH):
        require_apart(project)
    return tuple(brought)


def down(project: Project, which: Sequence[EnvironmentName], progress: Progress) -> dict[EnvironmentName, bool]:
    """Stop servers; data stay. Refuses (4) while a run is going on."""
    hold.require_idle(project, why="stopping a server now would break it")
    stopped = {}
    for environment in which:
        stopped[environment] = project.engine(environment).stop()
        progress.say(f"{environment}: {'stopped' if stopped[environment] else 'was not running'}")
    return stopped


def statuses(project: Project) -> tuple[EngineStatus, ...]:
    """How both servers are."""
    return tuple(project.engine(e).status() for e in BOTH)


def require_apart(project: Project) -> None:
    """Refuse (7) unless test and production are two servers, asked of the servers themselves."""
    with (
        connect(project.target("production")) as production,
        connect(project.engine("test").target("postgres")) as test,
    ):
        identity.require_apart(production, test)


def _server_changes(environment: EnvironmentName, server: Started) -> list[str]:
    changes = list(server.notes)
    if server.started:
        changes.append("started")
    return changes


def _furnish(project: Project, environment: EnvironmentName) -> list[str]:
    engine, database = project.engine(environment), project.database(environment)
    changes = []
    with connect(engine.target("postgres"), read_only=False) as connection:
        found = connection.execute("SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", (database,)).fetchone()
        if not found:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(database)))
            changes.append(f"created database {database}")
        stamp = identity.read_stamp(connection, database)
        if stamp.environment is None:
            identity.write_stamp(connection, database, environment=environment, project=project.name)
            changes.append(f"stamped database {database} as {environment}")
        elif (stamp.environment, stamp.project) != (environment, project.name):
            raise IdentityError(
                f"database {database} on {engine.target().address} carries the stamp {stamp.environment!r} of project "
                f"{stamp.project!r}; expected {environment!r} of {project.name!r}",
                hint="give this project a port and a data directory of its own",
            )
    if environment == "production":
        changes += _furnish_roles(project)
    return changes


def _furnish_roles(project: Project) -> list[str]:
    production, target = project.settings.production, project.target("production")
    role = AppRole(
        name=production.app_role,
        admin=production.admin_role,
        host=target.host,
        port=target.port,
        passfile=target.passfile,
    )
    with connect(target, read_only=False) as connection:
        if provision_app_role(connection, role):
            return [f"made role {production.app_role}: select, insert, update; no delete"]
    return []
