"""The tool's own role in a container: made by the superuser that the image came with, through the container itself.

Inside a container of the usual images that superuser needs no password. A role that is there keeps its password in
production; in the test environment, which is disposable, it gets a new one when the one it had was lost.
"""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import replace
from pathlib import Path

from psycopg import sql

from ringfence.engines.compose import IMAGE_SUPERUSER
from ringfence.engines.containers import Found
from ringfence.engines.contract import Agree
from ringfence.engines.dockercli import Docker, DockerError
from ringfence.engines.model import EnvironmentName
from ringfence.errors import EngineError, IdentityError
from ringfence.postgres import queries
from ringfence.postgres import target as targets
from ringfence.postgres.connection import ConnectError, connect
from ringfence.postgres.target import PassEntry, Target

_AUTHENTICATION = ("password", "authentication", "pg_hba.conf", "role")


def ensure_administrator(
    docker: Docker,
    found: Found,
    target: Target,
    *,
    environment: EnvironmentName,
    created: bool,
    agree: Agree,
    recognized: bool,
) -> list[str]:
    """Make sure that the tool's role exists, is a superuser and can log in. Returns what was done.

    ``created``: the container was just made by the tool, so its image's password is known to nobody and is removed.
    In a container that was there before a role is made only where a person agrees, and nothing is done to one whose
    server was not ``recognized``: it could be the other environment's. Raises EngineError (2) where the
    role exists and its password cannot be had, IdentityError (7) where nobody agreed.
    """
    refused = _refusal(target)
    if refused is None:
        return []
    superuser = found.environment.get("POSTGRES_USER") or IMAGE_SUPERUSER
    try:
        attributes = _psql(docker, found, superuser, plain("role"), role=target.user)
    except DockerError as error:
        raise _unknown_password(target, found, f"{refused}; role {superuser} inside it: {error.message}") from error
    notes: list[str] = []
    exists = attributes != ""
    if exists and environment == "production" and not created:
        given = found.environment.get("POSTGRES_PASSWORD")
        if target.user != superuser or not given or not _try_password(target, given):
            raise _unknown_password(target, found, refused)
        return [f"took the password of {target.user} from the environment of container {found.name}"]
    if not exists and not created:
        question = f"container {found.name} was there before; role {target.user}, a superuser, is to be made in it"
        if not agree(question):
            raise IdentityError(
                f"{question}, and nobody agreed",
                hint=f"if it is the right container, 'ringfence up {environment} --yes'",
            )
    if not recognized:
        raise EngineError(
            f"which server container {found.name} holds cannot be seen: there is no pg_control in "
            f"{found.data_directory}",
            hint=f"make role {target.user} yourself (SUPERUSER LOGIN), and put its password into {target.passfile}",
        )
    _set_password(docker, found, target, superuser, exists)
    notes.append(f"{'gave a new password to' if exists else 'made'} role {target.user}, a superuser")
    if created and superuser != target.user:
        _psql(docker, found, superuser, script("no_password", role=sql.Identifier(superuser)))
    return notes


def script(name: str, **names: sql.Composable) -> bytes:
    """A script of this room with its names filled in, for psql."""
    return queries.load("ringfence.engines", name).format(**names).as_string().encode()


def plain(name: str) -> bytes:
    """A script of this room that psql itself fills in."""
    return queries.load("ringfence.engines", name).as_string().encode()


def _refusal(target: Target) -> str | None:
    """Why the role cannot log in; None when it can. Raises EngineError where the server does not answer at all."""
    try:
        with connect(target):
            return None
    except ConnectError as error:
        if not any(word in error.message for word in _AUTHENTICATION):
            raise EngineError(error.message, hint=error.hint) from error
        return error.message


def _psql(docker: Docker, found: Found, user: str, text: bytes, **variables: str) -> str:
    given = [word for name, value in variables.items() for word in ("--set", f"{name}={value}")]
    line = ("exec", "--interactive", found.id, "psql", "-X", "-q", "-A", "-t", "-w", "-U", user, "-d", "postgres")
    return docker.run(*line, "--set", "ON_ERROR_STOP=1", *given, stdin=text).stdout.strip()


def _set_password(docker: Docker, found: Found, target: Target, superuser: str, exists: bool) -> None:
    # On disk before it is in the server: a role that nobody can use would be of no use.
    password = secrets.token_urlsafe(24)
    _remember(target, password)
    verb = sql.SQL("ALTER" if exists else "CREATE")
    names = {"role": sql.Identifier(target.user), "password": sql.Literal(password), "verb": verb}
    try:
        _psql(docker, found, superuser, script("administrator", **names))
    except DockerError as error:
        raise EngineError(
            f"role {superuser} could not make role {target.user} in container {found.name}: {error.message}",
            hint=f"make it yourself (SUPERUSER LOGIN), and put its password into {target.passfile}",
        ) from error


def _try_password(target: Target, password: str) -> bool:
    """Whether a password works; it is remembered only then."""
    with tempfile.TemporaryDirectory(dir=target.passfile.parent, prefix=".try-") as place:
        tried = replace(target, passfile=Path(place) / "pgpass")
        _remember(tried, password)
        if _refusal(tried) is not None:
            return False
    _remember(target, password)
    return True


def _remember(target: Target, password: str) -> None:
    hosts = dict.fromkeys((target.host, "localhost"))
    entries = [PassEntry(host=h, port=target.port, user=target.user, password=password) for h in hosts]
    targets.add_passwords(target.passfile, entries)


def _unknown_password(target: Target, found: Found, why: str) -> EngineError:
    return EngineError(
        f"container {found.name} runs, but {why}",
        hint=f"add the line {target.host}:{target.port}:*:{target.user}:PASSWORD to {target.passfile} (mode 0600); "
        f"or name another admin_role in ringfence.toml: one that is not there yet is made",
    )
