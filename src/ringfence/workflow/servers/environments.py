"""Bringing the two environments up and down, and telling how they are."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ringfence.engines.contract import Agree, nobody
from ringfence.engines.model import EngineStatus, EnvironmentName, Started
from ringfence.errors import EngineError, IdentityError
from ringfence.postgres import identity, queries
from ringfence.postgres.connection import ConnectError, connect, one_value
from ringfence.workflow import guard, hold, known, proven
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project
from ringfence.workflow.rights import roles
from ringfence.workflow.servers import furnish
from ringfence.workflow.servers.furnish import Consent

BOTH: tuple[EnvironmentName, ...] = ("production", "test")


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What ``up`` did for one environment; ``changes`` is empty where everything stood already."""

    environment: EnvironmentName
    changes: tuple[str, ...]
    status: EngineStatus


def up(
    project: Project,
    which: Sequence[EnvironmentName],
    progress: Progress,
    *,
    accept_new_identity: bool = False,
    consent: Consent = furnish.nobody,
    agree: Agree = nobody,
) -> tuple[Brought, ...]:
    """Start the servers, and make databases, roles, stamps and the record that are missing. A second call changes
    nothing.

    A database that was there before is taken only with ``consent``; one that is not the one on record only with
    ``accept_new_identity``; ``agree`` is asked before a server that was there is changed. Raises EngineError (2) for a
    server that cannot run and IdentityError (7) for a database that is not provably the environment's, before anything
    is written.
    """
    guard.write_policy(project)
    for environment in which:
        furnish.require_not_vanished(project, environment, accept=accept_new_identity)
    with ThreadPoolExecutor(max_workers=len(which)) as pool:
        waiting = [(e, pool.submit(_start, project, e, agree, accept_new_identity)) for e in which]
        started = [(e, f.result()) for e, f in waiting]
    brought = []
    for environment, server in started:
        changes = _server_changes(server)
        changes += furnish.furnish(
            project, environment, made=server.created, accept=accept_new_identity, consent=consent
        )
        if environment == "production":
            changes += _furnish_roles(project, made=server.created)
        for change in changes:
            progress.say(f"{environment}: {change}")
        brought.append(
            Brought(environment=environment, changes=tuple(changes), status=project.engine(environment).status())
        )
    if all(project.engine(e).status().state == "running" for e in BOTH):
        require_apart(project)
    return tuple(brought)


def _start(project: Project, environment: EnvironmentName, agree: Agree, accept: bool) -> Started:
    """Start a server. Where one is on record, one that does not know the role is no matter of set-up any more: 7."""
    record = known.read(project)

    def recognize(system_identifier: str) -> None:
        furnish.recognize(record, environment, system_identifier, accept=accept)

    try:
        return project.engine(environment).start(agree, recognize)
    except EngineError as error:
        cause = error.__cause__
        if isinstance(cause, ConnectError) and cause.answered and environment in known.read(project):
            raise IdentityError(
                f"what answers is not provably {environment}: {error.message}", hint=error.hint or proven.CHECK_SETTINGS
            ) from error
        raise


def down(project: Project, which: Sequence[EnvironmentName], progress: Progress) -> dict[EnvironmentName, bool]:
    """Stop servers; data stay. Refuses (4) while a run is going on."""
    hold.require_idle(project, why="stopping a server now would break it")
    stopped = {}
    for environment in which:
        engine = project.engine(environment)
        stopped[environment] = engine.stop()
        kept = "is not this tool's to stop" if engine.kind == "server" else "was not running"
        progress.say(f"{environment}: {'stopped' if stopped[environment] else kept}")
    return stopped


def statuses(project: Project) -> tuple[EngineStatus, ...]:
    """How both servers are."""
    return tuple(project.engine(e).status() for e in BOTH)


def require_apart(project: Project) -> None:
    """Refuse (7) unless test and production are two servers, asked of the servers themselves."""
    with (
        proven.session("production", project.target("production")) as production,
        proven.session("test", project.engine("test").target("postgres")) as test,
    ):
        identity.require_apart(production, test)


def _server_changes(server: Started) -> list[str]:
    changes = list(server.notes)
    if server.started:
        changes.append("started")
    return changes


def _furnish_roles(project: Project, *, made: bool) -> list[str]:
    """The app role of a production that the tool made. Where the server was there before, an application may be running
    on a role of that name: its password is not touched, and 'roles apply' says what it would change."""
    if not made and project.engine("production").kind != "embedded" and not _wants_app_role(project):
        return []
    applied = roles.provision(project)
    app = project.settings.production.app_role
    if any(s.sql.startswith("CREATE ROLE") for s in applied.statements):
        return [f"made role {app}: select, insert, update; no delete"]
    return [f"gave role {app} the password that is kept"] if applied.statements else []


def _wants_app_role(project: Project) -> bool:
    """Whether the app role is missing and the administrator may make one."""
    app = project.settings.production.app_role
    with connect(project.target("production")) as connection:
        wanted = one_value(connection, queries.load("ringfence.workflow", "wants_role"), {"role": app})
    return bool(wanted)
