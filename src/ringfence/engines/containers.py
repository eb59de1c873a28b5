"""Containers as ``docker inspect`` describes them, and what follows from that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ringfence.engines.model import Container, Listening, Network

POSTGRES_PORT = 5432
LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Mount:
    """Something that is mounted in a container. ``volume`` is None for a directory of the machine."""

    volume: str | None
    source: str
    destination: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """A container that is there, running or not. ``published`` are pairs of its own port and an address outside."""

    id: str
    name: str
    image: str
    state: str
    exit_code: int
    pid: int | None
    environment: Mapping[str, str]
    published: tuple[tuple[int, Listening], ...]
    mounts: tuple[Mount, ...]
    networks: tuple[tuple[str, str], ...]
    privileged: bool
    pid_mode: str
    ipc_mode: str
    network_mode: str
    volumes_from: tuple[str, ...]

    @property
    def running(self) -> bool:
        """Whether its first process is alive and not paused."""
        return self.state == "running"

    @property
    def data_directory(self) -> str:
        """Where PostgreSQL keeps its data by the environment of the container, which its server may overrule."""
        return self.environment.get("PGDATA") or "/var/lib/postgresql/data"

    def listening(self) -> tuple[Listening, ...]:
        """Every address outside that leads to some port of the container."""
        return tuple(sorted({address for _, address in self.published}))

    def port_published_at(self, port: int) -> int | None:
        """The container's own port behind a port of this machine."""
        return next((inner for inner, address in self.published if address.port == port), None)

    def mount_of(self, path: str) -> Mount | None:
        """What is mounted where a path lies; None where that is the container's own, disposable file system."""
        inside = [m for m in self.mounts if PurePosixPath(path).is_relative_to(m.destination)]
        return max(inside, key=lambda m: len(PurePosixPath(m.destination).parts), default=None)


def read(document: Mapping[str, Any]) -> Found:
    """One entry of ``docker inspect``. Ports of a container that does not run are those it was told to publish."""
    state, host, config = document["State"], document["HostConfig"], document["Config"]
    settings = document.get("NetworkSettings") or {}
    variables = (entry.partition("=") for entry in config.get("Env") or ())
    return Found(
        id=str(document["Id"]),
        name=str(document["Name"]).removeprefix("/"),
        image=str(config.get("Image") or document.get("Image") or ""),
        state=str(state["Status"]),
        exit_code=int(state.get("ExitCode") or 0),
        pid=int(state.get("Pid") or 0) or None,
        environment={name: value for name, _, value in variables},
        published=_published((settings.get("Ports") or {}) if state["Status"] == "running" else host["PortBindings"]),
        mounts=tuple(_mount(m) for m in document.get("Mounts") or ()),
        networks=tuple(
            sorted((str(name), str(n.get("NetworkID") or "")) for name, n in (settings.get("Networks") or {}).items())
        ),
        privileged=bool(host.get("Privileged")),
        pid_mode=str(host.get("PidMode") or ""),
        ipc_mode=str(host.get("IpcMode") or ""),
        network_mode=str(host.get("NetworkMode") or ""),
        volumes_from=tuple(host.get("VolumesFrom") or ()),
    )


def _published(ports: Mapping[str, Any] | None) -> tuple[tuple[int, Listening], ...]:
    found = []
    for inner, addresses in (ports or {}).items():
        number, _, protocol = inner.partition("/")
        for address in addresses or ():
            if protocol in ("", "tcp") and str(address.get("HostPort") or "").isdigit():
                at = Listening(host=str(address.get("HostIp") or "0.0.0.0"), port=int(address["HostPort"]))
                found.append((int(number), at))
    return tuple(sorted(found))


def _mount(document: Mapping[str, Any]) -> Mount:
    return Mount(
        volume=str(document["Name"]) if document.get("Type") == "volume" else None,
        source=str(document.get("Source") or ""),
        destination=str(document["Destination"]),
    )


def users_of(mount: Mount, everything: Iterable[Found]) -> tuple[str, ...]:
    """Every container that mounts the same volume, the same directory, one above it or one below it."""
    return tuple(sorted({found.name for found in everything if any(_overlap(mount, m) for m in found.mounts)}))


def _overlap(one: Mount, other: Mount) -> bool:
    if one.volume is not None and one.volume == other.volume:
        return True
    if not one.source or not other.source:
        return False
    a, b = PurePosixPath(one.source), PurePosixPath(other.source)
    return a.is_relative_to(b) or b.is_relative_to(a)


def as_fact(found: Found, everything: Iterable[Found], internal: Mapping[str, bool]) -> Container:
    """The container for a comparison. ``internal`` says of networks, by id, whether they lead out."""
    others = list(everything)
    networks = tuple(
        Network(
            id=identifier,
            name=name,
            internal=internal.get(identifier, False),
            members=tuple(sorted(o.name for o in others if (name, identifier) in o.networks)),
        )
        for name, identifier in found.networks
    )
    return Container(
        id=found.id,
        name=found.name,
        image=found.image,
        running=found.running,
        privileged=found.privileged,
        pid_mode=found.pid_mode,
        ipc_mode=found.ipc_mode,
        network_mode=found.network_mode,
        networks=networks,
        mounts=tuple(sorted(f"{m.volume or m.source}:{m.destination}" for m in found.mounts)),
        volumes_from=found.volumes_from,
    )


def exposed(found: Found) -> list[str]:
    """A sentence about addresses on which other machines may reach it; none where it is published on loopback only."""
    wide = " and ".join(shown(a) for a in found.listening() if a.host not in LOOPBACK)
    return [f"it listens on {wide}, which other machines may reach; publish it on {LOOPBACK[0]}"] if wide else []


def not_published(found: Found, port: int) -> str:
    """What it publishes instead of the port that was looked for."""
    published = ", ".join(shown(a) for a in found.listening()) or "nothing"
    return f"container {found.name} publishes {published}, not port {port}"


def shown(address: Listening) -> str:
    """An address as people write it."""
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
