"""PostgreSQL's client programs inside the container of a server, for machines that have none that are new enough."""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg.conninfo import make_conninfo

from ringfence import process
from ringfence.engines.dockercli import Docker
from ringfence.errors import EngineError
from ringfence.postgres import target as targets
from ringfence.postgres.target import Target

_VERSION = re.compile(r"PostgreSQL\) (\d+)(?:\.(\d+))?")


@dataclass(frozen=True, kw_only=True)
class ContainerPrograms:
    """The programs of one container, which reach only the server in it. ``port`` is the server's own."""

    docker: Docker
    container: str
    port: int
    major: int
    minor: int

    @property
    def sees_files(self) -> bool:
        """They get this machine's files on standard input and output."""
        return False

    def command(self, name: str) -> tuple[str, ...]:
        """``docker exec`` with everything pinned that an image's environment could lead elsewhere."""
        emptied = ("PGHOSTADDR", "PGOPTIONS")
        pinned = [word for variable in emptied for word in ("--env", f"{variable}=")]
        line = (str(self.docker.program), "exec", "--interactive", "--env", "PGPASSWORD")
        return (*line, *pinned, "--env", "PGSERVICEFILE=/dev/null", self.container, name)

    def conninfo(self, target: Target) -> str:
        """The server as it is reached from its own container."""
        return make_conninfo(
            "",
            host="127.0.0.1",
            port=self.port,
            dbname=target.database,
            user=target.user,
            passfile="/dev/null",
            application_name=target.application,
            connect_timeout=10,
            client_encoding="UTF8",
        )

    def environment(self, target: Target | None) -> dict[str, str]:
        """What finds the engine, and the password, which ``docker exec`` passes on by name and shows nowhere."""
        extra = dict(self.docker.environment)
        if target is not None:
            password = targets.find_password(target.passfile, host=target.host, port=target.port, user=target.user)
            if password is not None:
                extra["PGPASSWORD"] = password
        return process.clean_environment(extra)


def programs_of(docker: Docker, container: str, *, port: int, wanted: int) -> ContainerPrograms:
    """The programs of a running container, if they are at least of the major ``wanted``. Raises EngineError (2)."""
    said = docker.run("exec", container, "pg_dump", "--version").stdout
    match = _VERSION.search(said)
    if match is None:
        raise EngineError(f"pg_dump in container {container} does not say its version: {said[:80]!r}")
    major, minor = int(match[1]), int(match[2] or 0)
    if major < wanted:
        raise EngineError(
            f"client programs of PostgreSQL {wanted} or newer are needed: this machine has none, "
            f"and those in container {container} are {major}.{minor}",
            hint=f"install the client programs of PostgreSQL {wanted} on this machine",
        )
    return ContainerPrograms(docker=docker, container=container, port=port, major=major, minor=minor)
