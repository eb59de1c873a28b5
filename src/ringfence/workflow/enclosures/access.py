"""How agents get into the test database: where it is for them, the password, and what of TLS they may hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ringfence.agents.model import TestAccess
from ringfence.errors import ConfigError, IdentityError
from ringfence.postgres import programs as program_sets
from ringfence.postgres import target as targets
from ringfence.postgres.url import FILES, read_url
from ringfence.workflow.project import Project

LOOPBACK = "127.0.0.1"
"""Where the test database is found inside a sandbox, wherever it is outside."""

_CLIENT = ("sslcert", "sslkey")
_ENCRYPTED = ("require", "verify-ca", "verify-full")


def outside(project: Project) -> TestAccess:
    """Where the test database is and how to get in, from outside any sandbox.

    Raises ConfigError (2) when its password is not known, IdentityError (7) where it takes production's client key.
    """
    there = project.target("test")
    password = targets.find_password(there.passfile, host=there.host, port=there.port, user=there.user)
    if password is None:
        raise ConfigError(
            f"no password for {there.user} at {there.address} in {there.passfile}",
            hint="'ringfence up' makes the test server and its password",
        )
    return TestAccess(
        host=there.host,
        port=there.port,
        database=there.database,
        user=there.user,
        password=password,
        web_port=project.settings.test.web_port,
        parameters=parameters(project),
    )


def for_agents(project: Project) -> TestAccess:
    """The same as an agent has it: in a sandbox the database is on the loopback, and a name only for its certificate.

    Raises as `outside` does.
    """
    there = outside(project)
    if project.settings.sandbox.mode == "none":
        return there
    if _is_looked_at(there.host, there.parameters):
        return replace(there, address=LOOPBACK)
    return replace(there, host=LOOPBACK)


def parameters(project: Project) -> tuple[tuple[str, str], ...]:
    """How agents connect to the test server: as its url says, and by what libpq finds in its own place.

    A client certificate that is only found there is the person's and may open production, so agents do not get it.
    Raises IdentityError (7) where test's url names the key that production is reached with.
    """
    url = project.settings.test.url
    named = dict(read_url(url).parameters) if url else {}
    production = dict(project.target("production").parameters)
    for name in _CLIENT:
        if name in named and name in production and _same_file(named[name], production[name]):
            raise IdentityError(
                f"{name} in test's url is {named[name]}, which is production's, too: agents would hold it",
                hint="give the test server's role a certificate of its own",
            )
    return tuple((n, v) for n, v in project.target("test").parameters if n not in _CLIENT or n in named)


def files(project: Project) -> tuple[Path, ...]:
    """The certificates, keys and lists that agents need to see for that, and nothing beside them."""
    return tuple(Path(value) for name, value in parameters(project) if name in FILES and value.startswith("/"))


def names(project: Project) -> tuple[str, ...]:
    """The name by which the test server's certificate is looked at, which must lead to the loopback in a sandbox."""
    there = project.target("test")
    return (there.host,) if _is_looked_at(there.host, there.parameters) else ()


def programs_directory(project: Project) -> Path:
    """psql and pg_dump for agents: ones that can encrypt, where the test server takes nothing else."""
    if dict(parameters(project)).get("sslmode") in _ENCRYPTED:
        able = next((p for p in program_sets.find_client_programs() if program_sets.speaks_tls(p)), None)
        if able is not None:
            return able.directory
    return program_sets.choose(project.programs).directory


def _is_looked_at(host: str, how: tuple[tuple[str, str], ...]) -> bool:
    return dict(how).get("sslmode") == "verify-full" and not host.startswith("/")


def _same_file(one: str, other: str) -> bool:
    return Path(one).resolve() == Path(other).resolve()
