"""That test and production are apart: asked of both servers, of what they run in, and tried with test's password."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from ringfence.engines.model import EnvironmentName
from ringfence.errors import IdentityError
from ringfence.postgres import identity, login, queries
from ringfence.postgres.connection import ConnectError
from ringfence.postgres.login import Login
from ringfence.postgres.target import find_password
from ringfence.redact import one_line
from ringfence.workflow import known, proven
from ringfence.workflow.checks import checklist
from ringfence.workflow.checks.checklist import Line
from ringfence.workflow.project import Project

BOTH: tuple[EnvironmentName, ...] = ("production", "test")
_UP = "'ringfence up' starts both servers; 'ringfence status' shows how they are"


def servers(project: Project) -> Iterable[Line]:
    """The two servers, asked through the connections that every command uses."""
    with (
        proven.session("production", project.target("production")) as production,
        proven.session("test", project.engine("test").target("postgres")) as test,
    ):
        here, there = identity.read_identity(production), identity.read_identity(test)
        shared = identity.share_locks(production, test)
    yield checklist.servers(here, there, share_a_lock=shared)
    yield checklist.database_names(here, project.database("test"))
    evidence = {e: project.engine(e).evidence() for e in BOTH}
    two_systems = not shared and here.system_identifier != there.system_identifier
    yield checklist.storage(evidence["production"], evidence["test"], two_systems=two_systems)
    found = checklist.containers(evidence["production"], evidence["test"])
    if found is not None:
        yield found


def ports(project: Project) -> Iterable[Line]:
    """The ports of the settings, and those that the servers listen on: two machines may have the same one."""
    web = {"production": project.settings.production.web_port, "test": project.settings.test.web_port}
    evidence = {name: project.engine(name).evidence() for name in BOTH}
    hosts = [{at.host for at in evidence[name].listens} for name in BOTH]
    two_machines = any(evidence[name].machine is None for name in BOTH) and not hosts[0] & hosts[1]
    numbers = {}
    for name in BOTH:
        of_server = [project.engine(name).target().port, *(at.port for at in evidence[name].listens)]
        numbers[name] = [web[name], *([] if two_machines else of_server)]
    yield checklist.ports(numbers["production"], numbers["test"])


def marks(project: Project) -> Iterable[Line]:
    """Stamp and record of both databases."""
    for environment in BOTH:
        name, text = f"separation/{environment}-proven", f"{environment} is stamped, and the one on record"
        try:
            with proven.session(environment, project.target(environment)) as connection:
                if environment == "production":
                    seen = proven.require_production(project, connection)
                else:
                    seen = proven.require_test_server(project, connection)
                stamp = identity.read_stamp(connection, project.database(environment))
            recorded = known.read(project).get(environment)
        except ConnectError as error:
            yield checklist.unknown(name, text, error.message, about=project.database(environment), fix=_UP)
            continue
        except IdentityError as error:
            yield checklist.fails(
                name,
                text,
                error.message,
                severity="critical",
                about=project.database(environment),
                fix=error.hint or _UP,
            )
            continue
        yield checklist.holds(
            name,
            text,
            f"stamp {stamp.environment!r} of project {stamp.project!r} in the catalog",
            f"on record: {recorded.describe() if recorded else 'nothing'}",
            f"answers: {seen.describe()}",
        )


def logins(project: Project) -> Iterable[Line]:
    """Test's password tried on production, for every role somebody may think of, and a password that nobody has."""
    name, text = "separation/login", "production refuses test's role and test's password"
    production, test = project.target("production"), project.target("test")
    password = find_password(project.paths.pgpass, host=test.host, port=test.port, user=test.user)
    if password is None:
        yield checklist.unknown(
            name, text, f"no password of {test.user} in {project.paths.pgpass}", about=test.user, fix=_UP
        )
        return
    roles = dict.fromkeys((test.user, project.settings.production.app_role, project.settings.production.admin_role))
    nonsense = secrets.token_urlsafe(12)
    tried = [
        (word, login.attempt(production, role=role, database=database, password=given))
        for role in roles
        for word, given, database in (
            ("test's password", password, production.database),
            ("a made-up password", nonsense, production.database),
        )
    ]
    tried.append(("test's password", login.attempt(production, role=test.user, database="postgres", password=password)))
    yield _of_logins(name, text, str(production.address), tried)


def _of_logins(name: str, text: str, address: str, tried: list[tuple[str, Login]]) -> Line:
    seen = tuple(f"{one_line(t.role)} with {word} on {one_line(t.database)}: {one_line(t.words)}" for word, t in tried)
    let_in = [f"{one_line(t.role)} with {word}" for word, t in tried if t.let_in]
    if let_in:
        return checklist.fails(
            name,
            text,
            f"production at {address} lets in {', '.join(let_in)}",
            severity="critical",
            about="pg_hba.conf and roles of production",
            fix="ask for a password everywhere (scram-sha-256 in pg_hba.conf), and give every role one of its own: "
            "ALTER ROLE … PASSWORD; 'DROP ROLE' where the role is test's",
            evidence=seen,
        )
    if not all(t.answered for _, t in tried):
        silent = next(t for _, t in tried if not t.answered)
        return checklist.unknown(
            name, text, f"production did not answer: {one_line(silent.words)}", about=address, fix=_UP
        )
    return checklist.holds(name, text, *seen)


def ways_out(project: Project) -> Iterable[Line]:
    """Foreign servers and subscriptions: ways that lead from one database into another without anybody logging in."""
    name, text = "separation/foreign", "no subscription or foreign server leads out of the test database"
    with proven.session("test", project.target("test")) as connection:
        rows = connection.execute(queries.load("ringfence.workflow", "ways_out")).fetchall()
    if not rows:
        yield checklist.holds(name, text, "pg_subscription and pg_foreign_server are empty")
        return
    listed = [f"{kind} {one_line(str(what))}" for kind, what in rows]
    yield checklist.fails(
        name,
        text,
        f"{len(rows)} lead out: {', '.join(listed[:5])}",
        severity="medium",
        about=project.database("test"),
        fix="they came with production's dump: what is done through them is done elsewhere. DROP SERVER … CASCADE or "
        "ALTER SUBSCRIPTION … DISABLE in the test database after a reseed, or contain the test server",
        evidence=listed,
    )
