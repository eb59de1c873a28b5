"""The engine ``docker``: a PostgreSQL container with a volume and a network of its own, published on 127.0.0.1 only.

A container that is there already is adopted, whoever made it: it is started and stopped, and its data are looked for
where it keeps them. What is not there is made from the settings alone; a compose file in the work tree can be written
by agents and is never run. Nothing here removes a container that served, and nothing at all removes a volume.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from ringfence import clock, files
from ringfence.engines import bootstrap, compose, containers, ports
from ringfence.engines.compose import Service
from ringfence.engines.containers import Found
from ringfence.engines.contract import Agree, Recognize, anyone, nobody
from ringfence.engines.dockercli import Docker, DockerError, find_docker
from ringfence.engines.inside import programs_of
from ringfence.engines.model import EngineKind, EngineStatus, EnvironmentName, Evidence, Place, Started, Storage
from ringfence.errors import EngineError, IdentityError
from ringfence.postgres import programs as program_sets
from ringfence.postgres.connection import ConnectError, connect
from ringfence.postgres.identity import Identity, read_identity
from ringfence.postgres.programs import ClientPrograms, Programs
from ringfence.postgres.target import Target
from ringfence.redact import one_line

HOST = "127.0.0.1"
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60
_PULL_TIMEOUT_S = 1800
_CONTROL_FILE = "global/pg_control"


@dataclass(frozen=True, kw_only=True)
class DockerEngine:
    """One environment's container. ``superuser`` is the role the tool works with: it is made where it is missing, by
    the superuser the image came with. ``root`` is where the compose files lie, ``environ`` the caller's environment."""

    kind: ClassVar[EngineKind] = "docker"

    project: str
    environment: EnvironmentName
    root: Path
    container: str
    volume: str
    image: str
    port: int
    superuser: str
    passfile: Path
    available: Sequence[Programs]
    environ: Mapping[str, str]

    @property
    def service(self) -> Service:
        """What is made where there is nothing yet."""
        return Service(
            project=self.project,
            environment=self.environment,
            container=self.container,
            volume=self.volume,
            image=self.image,
            port=self.port,
        )

    def target(self, database: str = "postgres", user: str | None = None) -> Target:
        """Where the administrator (or ``user``) connects: the published port."""
        return Target(host=HOST, port=self.port, database=database, user=user or self.superuser, passfile=self.passfile)

    def clients(self, server_version_num: int) -> ClientPrograms:
        """Programs of this machine where they are new enough, else those inside the container."""
        wanted = server_version_num // 10000
        if any(p.major >= wanted for p in self.available):
            return program_sets.choose_client(self.available, server_major=wanted)
        docker = self._docker()
        found = self._require(docker)
        return programs_of(docker, found.id, port=self._inner_port(found), wanted=wanted)

    def status(self) -> EngineStatus:
        """As the Docker engine describes the container; nobody connects to the server."""
        status = EngineStatus(
            environment=self.environment,
            engine="docker",
            state="absent",
            host=HOST,
            port=self.port,
            container=self.container,
        )
        try:
            docker = self._docker()
            found = docker.find(self.container)
        except EngineError as error:
            return replace(status, state="unreachable", note=error.message)
        if found is None:
            return status
        mount = found.mount_of(found.data_directory)
        notes = [*containers.exposed(found)]
        if found.state not in ("running", "exited", "created"):
            notes.append(f"the container is {found.state}")
        if found.running and found.port_published_at(self.port) is None:
            notes.append(containers.not_published(found, self.port))
        return replace(
            status,
            state="running" if found.running else "stopped",
            pid=found.pid,
            server_version=self._version(docker, found),
            volume=(mount.volume or mount.source) if mount else None,
            note="; ".join(notes) or None,
        )

    def start(self, agree: Agree = nobody, recognize: Recognize = anyone) -> Started:
        """Make or adopt the container, start it, make the tool's role in it, and prove that it is the one meant."""
        docker = self._docker()
        docker.require_local()
        notes: list[str] = []
        files.ensure_private_directory(self.passfile.parent)
        lock_file = self.passfile.with_name(f".docker-{self.environment}.lock")
        with files.lock(lock_file, purpose=f"starting {self.environment}"):
            found = docker.find(self.container)
            created, started = found is None, found is None or not found.running
            if found is None:
                notes += self._create(docker)
            elif not found.running:
                self._start_again(docker, found)
            found = self._require(docker)
            inner = self._inner_port(found)
            self._wait(docker, found, inner)
            system = self._system_of(docker, found, found.data_directory)
            if system is not None:
                recognize(system)
            notes += bootstrap.ensure_administrator(
                docker,
                found,
                self.target(),
                environment=self.environment,
                created=created,
                agree=agree,
                recognized=system is not None,
            )
            self._prove(docker, found)
        return Started(created=created, started=started, notes=tuple(notes))

    def stop(self) -> bool:
        """Stop the container; it stays, its volume too. False when it did not run."""
        try:
            docker = self._docker()
            found = docker.find(self.container)
        except DockerError:
            if self.environ.get("DOCKER_HOST"):
                raise
            found = None
        if found is None or not found.running:
            return False
        docker.run("stop", "--time", str(STOP_TIMEOUT_S), found.id, timeout_s=STOP_TIMEOUT_S + 30)
        return True

    def place(self, identity: Identity) -> Place | None:
        """The volume (or the directory of this machine) that holds the data, with device and inode."""
        docker = self._docker()
        found = docker.find(self.container)
        mount = found.mount_of(identity.data_directory or found.data_directory) if found and found.running else None
        if found is None or mount is None:
            return None
        device, inode = _look(docker, found, mount.source, mount.destination, [])
        return Place(name=mount.volume or mount.source, device=device, inode=inode)

    def evidence(self) -> Evidence:
        """Container, volume with device and inode, who else mounts it, networks and who else is in them, ports."""
        docker = self._docker()
        everything = docker.everything()
        found = next((f for f in everything if f.name == self.container), None)
        unknown: list[str] = []
        if found is None:
            unknown.append(f"there is no container {self.container}")
        elif not found.running:
            unknown.append(f"container {self.container} does not run, so what it publishes and mounts may be otherwise")
        return Evidence(
            environment=self.environment,
            kind="docker",
            machine=os.uname().nodename,
            listens=found.listening() if found else (),
            storage=self._storage(docker, found, everything, unknown) if found else (),
            account=None,
            container=containers.as_fact(found, everything, docker.networks_internal()) if found else None,
            contained_by=f"container {self.container}" if found and not found.privileged else None,
            unknown=tuple(unknown),
        )

    def _docker(self) -> Docker:
        return find_docker(self.environ)

    def _version(self, docker: Docker, found: Found) -> str | None:
        if not found.running:
            return None
        try:
            return docker.first_bytes(found.id, f"{found.data_directory}/PG_VERSION", 8).decode("ascii").strip()
        except (DockerError, UnicodeDecodeError):
            return found.environment.get("PG_MAJOR")

    def _require(self, docker: Docker) -> Found:
        found = docker.find(self.container)
        if found is None or not found.running:
            state = found.state if found else "gone"
            raise EngineError(
                f"container {self.container} is {state}; its log ends: {one_line(docker.log_tail(self.container))}",
                hint=f"'ringfence up {self.environment}' starts it; 'docker logs {self.container}' shows the whole log",
            )
        return found

    def _inner_port(self, found: Found) -> int:
        if found.network_mode == "host":
            raise EngineError(
                f"container {self.container} uses the machine's own network, so its server trusts whom it would not",
                hint=f"make it anew with its own network and -p {HOST}:{self.port}:5432; its volume stays",
            )
        inner = found.port_published_at(self.port)
        if inner is None:
            raise EngineError(
                containers.not_published(found, self.port),
                hint="set db_port in ringfence.toml to the published port, or make the container anew with "
                f"-p {HOST}:{self.port}:5432; its volume stays",
            )
        return inner

    def _create(self, docker: Docker) -> list[str]:
        service = self.service
        env_file = self.passfile.with_name(service.env_file_name)
        files.ensure_private_directory(env_file.parent)
        files.write_atomic(env_file, f"POSTGRES_PASSWORD={secrets.token_urlsafe(24)}\n".encode())
        self._require_own_file()
        self._require_port()
        users = [f.name for f in docker.everything() if any(m.volume == self.volume for m in f.mounts)]
        if users:
            raise EngineError(
                f"volume {self.volume} is mounted by container {', '.join(users)}, and {self.container} is not there",
                hint="set container in ringfence.toml to that one, or remove it (the volume stays)",
            )
        new_volume = not docker.volume_exists(self.volume)
        # The plugin refuses a network that it did not make itself.
        by_plugin = docker.has_compose() and not docker.network_exists(service.network)
        if new_volume and not (by_plugin and service.volume_is_composes):
            docker.run(*compose.volume_words(service))
        if by_plugin:
            docker.run(
                *("compose", "--file", "-", "--project-name", service.compose_project, "up", "--detach"),
                stdin=compose.compose_text(service).encode(),
                extra={"XDG_CONFIG_HOME": str(self.passfile.parents[2])},
                timeout_s=_PULL_TIMEOUT_S,
            )
        else:
            if not docker.network_exists(service.network):
                docker.run(*compose.network_words(service))
            docker.run(*compose.run_words(service, str(env_file)), timeout_s=_PULL_TIMEOUT_S)
        made = f"made container {self.container} from image {self.image}"
        return [f"{made}, with the {'new ' if new_volume else 'existing '}volume {self.volume}"]

    def _require_own_file(self) -> None:
        """A compose file that somebody changed asks for another container than the settings do."""
        path = self.root / self.service.file_name
        try:
            written = path.read_text("utf-8")
        except FileNotFoundError:
            files.write_atomic(path, compose.compose_text(self.service).encode(), mode=0o644)
            return
        if written != compose.compose_text(self.service):
            raise EngineError(
                f"{path.name} is not what ringfence.toml leads to, and container {self.container} is not there yet",
                hint=f"make it from your file with 'docker compose -f {path.name} up -d' and 'ringfence up' adopts it; "
                "or remove the file, and 'ringfence up' writes it anew",
            )

    def _require_port(self) -> None:
        if ports.is_free(self.port, HOST):
            return
        who = ports.listener(self.port)
        raise EngineError(
            f"port {self.port} of {self.environment} is in use" + (f" by process {who}" if who else ""),
            hint=f"stop that process, or give {self.environment} another db_port in ringfence.toml",
        )

    def _start_again(self, docker: Docker, found: Found) -> None:
        if found.state == "paused":
            raise EngineError(f"container {self.container} is paused", hint=f"docker unpause {self.container}")
        if any(address.port == self.port for _, address in found.published):
            self._require_port()
        docker.run("start", found.id)

    def _wait(self, docker: Docker, found: Found, inner: int) -> None:
        """Until the server takes connections over TCP; while an image makes its cluster it does not."""
        deadline = clock.monotonic_s() + START_TIMEOUT_S
        ready = ("exec", found.id, "pg_isready", "-q", "-h", HOST, "-p", str(inner))
        while True:
            try:
                docker.run(*ready)
                return
            except DockerError as error:
                last = error
            self._require(docker)
            if clock.monotonic_s() >= deadline:
                raise EngineError(
                    f"the server in container {self.container} takes no connections after {START_TIMEOUT_S} s "
                    f"({last.message}); its log ends: {one_line(docker.log_tail(self.container))}",
                    hint=f"'docker logs {self.container}' shows the whole log",
                )
            clock.pause(0.1)

    def _system_of(self, docker: Docker, found: Found, directory: str) -> str | None:
        """The system identifier in the files of the container; None where its data lie elsewhere."""
        try:
            said = docker.first_bytes(found.id, f"{directory}/{_CONTROL_FILE}", 8)
        except DockerError:
            return None
        return str(int.from_bytes(said, "little"))

    def _prove(self, docker: Docker, found: Found) -> None:
        """That something answers on the port is not enough: it must be the server of this container and volume."""
        try:
            with connect(self.target()) as connection:
                identity = read_identity(connection)
        except ConnectError as error:
            raise EngineError(error.message, hint=error.hint) from error
        directory = identity.data_directory
        if directory is None:
            raise EngineError(f"role {self.superuser} may not see where the server keeps its data")
        said = docker.first_bytes(found.id, f"{directory}/{_CONTROL_FILE}", 8)
        inside = str(int.from_bytes(said, "little"))
        if inside != identity.system_identifier:
            raise IdentityError(
                f"port {self.port} is answered by system {identity.system_identifier}, but container {self.container} "
                f"holds system {inside} in {directory}",
                hint="another server has that port; 'ss -ltnp' shows which",
            )
        self._require_volume(found, identity)

    def _require_volume(self, found: Found, identity: Identity) -> None:
        directory = identity.data_directory or ""
        mount = found.mount_of(directory)
        if mount is None:
            raise EngineError(
                f"container {self.container} keeps its data in itself ({directory}): they go when it goes",
                hint="dump them now, and make the container anew with a volume there",
            )
        if mount.volume is not None and mount.volume != self.volume:
            raise IdentityError(
                f"container {self.container} keeps its data in volume {mount.volume}, not in {self.volume}",
                hint=f'if that is right: volume = "{mount.volume}" under [{self.environment}] in ringfence.toml',
            )

    def _storage(
        self, docker: Docker, found: Found, everything: Sequence[Found], unknown: list[str]
    ) -> tuple[Storage, ...]:
        directory = found.data_directory
        if found.running:
            try:
                with connect(self.target()) as connection:
                    directory = read_identity(connection).data_directory or directory
            except ConnectError as error:
                unknown.append(f"where the server keeps its data is taken from its container: {error.message}")
        mount = found.mount_of(directory)
        if mount is None:
            unknown.append(f"the data of container {self.container} lie in the container itself")
            return ()
        device, inode = _look(docker, found, mount.source, mount.destination, unknown)
        return (
            Storage(
                path=mount.source,
                device=device,
                inode=inode,
                volume=mount.volume,
                used_by=containers.users_of(mount, everything),
            ),
        )


def _look(
    docker: Docker, found: Found, source: str, destination: str, unknown: list[str]
) -> tuple[int | None, int | None]:
    """Device and inode of what is mounted: from here, or, where only the Docker engine may look, from inside."""
    try:
        info = os.stat(source)
        return info.st_dev, info.st_ino
    except OSError as error:
        reason = f"{source}: {error.strerror}"
    try:
        device, inode = docker.run("exec", found.id, "stat", "-c", "%d %i", destination).stdout.split()
        return int(device), int(inode)
    except (DockerError, ValueError):
        unknown.append(f"the device and inode of {reason}")
        return None, None
