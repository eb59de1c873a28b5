"""The Docker engine of this machine, through its own client program.

The client is told nothing but where the engine is: of the caller's environment only what says that is passed on.
"""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ringfence import process
from ringfence.engines import containers
from ringfence.engines.containers import Found
from ringfence.errors import EngineError
from ringfence.process import Completed, ProgramError

VARIABLES = (
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "HOME",
    "XDG_RUNTIME_DIR",
)
"""What leads the client to its engine: a socket, a context and the files that describe it."""

_LOCAL = ("unix://", "npipe://")


class DockerError(EngineError):
    """The Docker engine does not answer, or refused."""


@dataclass(frozen=True, kw_only=True)
class Docker:
    """The client program and what it needs to find its engine."""

    program: Path
    environment: Mapping[str, str]

    def run(
        self,
        *words: str,
        timeout_s: float = 60,
        stdin: bytes | None = None,
        stdout_to: IO[bytes] | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> Completed:
        """One command of the client. ``extra`` are further variables of its environment. Raises DockerError (2)."""
        environment = process.clean_environment({**self.environment, **(extra or {})})
        try:
            return process.run(
                [self.program, *words], timeout_s=timeout_s, env=environment, stdin=stdin, stdout_to=stdout_to
            )
        except ProgramError as error:
            raise DockerError(error.message, hint=_hint(error.message)) from error

    def require_local(self) -> None:
        """Refuse an engine on another machine: what it publishes on 127.0.0.1 is not reached at ours."""
        where = self.environment.get("DOCKER_HOST") or (
            self.run("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").stdout.strip()
        )
        if not where.startswith(_LOCAL):
            raise DockerError(
                f"the Docker engine is at {where!r}, not on this machine",
                hint='unset DOCKER_HOST and DOCKER_CONTEXT; for a database elsewhere there is engine = "server"',
            )

    def find(self, name: str) -> Found | None:
        """A container by its exact name."""
        return next((found for found in self.everything() if found.name == name), None)

    def everything(self) -> tuple[Found, ...]:
        """Every container of the engine, running or not."""
        ids = self.run("ps", "--all", "--quiet", "--no-trunc").stdout.split()
        return tuple(containers.read(document) for document in self._inspect("container", ids))

    def volume_exists(self, name: str) -> bool:
        """Whether there is a volume of exactly that name."""
        return name in self.run("volume", "ls", "--quiet").stdout.splitlines()

    def network_exists(self, name: str) -> bool:
        """Whether there is a network of exactly that name."""
        return name in self.run("network", "ls", "--format", "{{.Name}}").stdout.splitlines()

    def networks_internal(self) -> dict[str, bool]:
        """For every network, by its id, whether it does not lead out."""
        ids = self.run("network", "ls", "--quiet", "--no-trunc").stdout.split()
        return {str(n["Id"]): bool(n.get("Internal")) for n in self._inspect("network", ids)}

    def has_compose(self) -> bool:
        """Whether the client has its plugin ``compose``."""
        environment = process.clean_environment(self.environment)
        line = [str(self.program), "compose", "version", "--short"]
        done = process.run(line, timeout_s=60, env=environment, check=False)
        major = done.stdout.strip().removeprefix("v").partition(".")[0]
        return done.exit_code == 0 and major.isdigit() and int(major) >= 2

    def first_bytes(self, container: str, path: str, count: int) -> bytes:
        """The beginning of a file in a container, running or not; no program in it is started."""
        with tempfile.TemporaryFile() as archive:
            self.run("cp", f"{container}:{path}", "-", stdout_to=archive)
            archive.seek(0)
            with tarfile.open(fileobj=archive, mode="r|") as members:
                member = members.next()
                file = members.extractfile(member) if member and member.isfile() else None
                if file is None:
                    raise DockerError(f"{path} in container {container} is no file")
                return file.read(count)

    def log_tail(self, container: str) -> str:
        """The last lines of a container's log, joined into one."""
        try:
            done = self.run("logs", "--tail", "6", container)
        except DockerError as error:
            return f"(no log: {error.message})"
        lines = (done.stderr or done.stdout).strip().splitlines()
        return " | ".join(line.strip() for line in lines[-6:]) or "(empty)"

    def _inspect(self, kind: str, ids: list[str]) -> list[dict[str, Any]]:
        if not ids:
            return []
        with tempfile.TemporaryFile() as file:
            # What is removed meanwhile makes the client fail although it prints the others.
            environment = process.clean_environment(self.environment)
            line = [str(self.program), kind, "inspect", *ids]
            done = process.run(line, timeout_s=60, env=environment, stdout_to=file, check=False)
            file.seek(0)
            said = file.read()
        if done.exit_code != 0 and "no such" not in done.stderr.lower():
            raise DockerError(process.failure_text(done), hint=_hint(done.stderr))
        try:
            found = json.loads(said)
        except ValueError as error:
            raise DockerError(f"docker {kind} inspect did not print JSON: {error}") from error
        return [entry for entry in found if isinstance(entry, dict)]


def find_docker(environ: Mapping[str, str]) -> Docker:
    """The client program of this machine. Raises DockerError (2)."""
    program = shutil.which("docker", path=f"{process.SYSTEM_PATH}:/opt/homebrew/bin")
    if program is None:
        raise DockerError(
            "there is no docker program on this machine",
            hint='install Docker (Debian: apt install docker.io), or use engine = "embedded"',
        )
    kept = {name: environ[name] for name in VARIABLES if environ.get(name)}
    return Docker(program=Path(program), environment=kept)


def _hint(words: str) -> str | None:
    if "permission denied" in words and "docker" in words.lower():
        return "this user may not use the Docker engine; add him to the group docker, or run as root"
    if "Cannot connect to the Docker daemon" in words or "docker daemon running" in words:
        return "start the Docker engine (systemctl start docker)"
    if "port is already allocated" in words or "address already in use" in words:
        return "another program has that port; stop it, or choose another db_port in ringfence.toml"
    if "manifest unknown" in words or "pull access denied" in words or "Unable to find image" in words:
        return 'name an image that this engine has or can pull: image = "…" in ringfence.toml'
    return None
