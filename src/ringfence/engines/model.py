"""What every engine says of its server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ServerState = Literal["running", "stopped", "absent", "unreachable"]
EnvironmentName = Literal["production", "test"]
EngineKind = Literal["embedded", "docker", "server"]


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """A server as it is at this moment. ``absent`` means that it was never made here, ``unreachable`` that nothing
    answers and the engine cannot see why; ``note`` then holds the reason."""

    environment: EnvironmentName
    engine: EngineKind
    state: ServerState
    host: str
    port: int
    pid: int | None = None
    server_version: str | None = None
    data_directory: Path | None = None
    container: str | None = None
    volume: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Started:
    """What starting a server changed: nothing when it ran already. ``notes`` are for the person who asked."""

    created: bool
    started: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, order=True)
class Listening:
    """An address of this machine (or of another one) that leads to the server."""

    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Storage:
    """A directory that holds files of the server: its data directory, a tablespace, the WAL.

    ``device`` and ``inode`` are of the directory as this machine sees it; both None where it cannot be looked at.
    ``volume`` is the Docker volume that it is, ``used_by`` every container, running or not, that mounts the same.
    """

    path: str
    device: int | None
    inode: int | None
    volume: str | None = None
    used_by: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a server keeps its data, as far as that tells the data from a copy of them. ``name`` is a directory of this
    machine or a Docker volume; ``device`` and ``inode`` are None where only the name can be seen."""

    name: str
    device: int | None
    inode: int | None

    def same(self, other: Place) -> bool:
        """Whether it is the same directory. A copy has another inode; a device gets another number when the machine
        is started again, and a directory that was moved within its file system another name, but not both."""
        if None in (self.inode, other.inode):
            return self.name == other.name
        return self.inode == other.inode and (self.device == other.device or self.name == other.name)

    def describe(self) -> str:
        """``/srv/data (inode 4711)``"""
        return self.name if self.inode is None else f"{self.name} (inode {self.inode})"


@dataclass(frozen=True, kw_only=True)
class Network:
    """A Docker network and the containers in it, by name. ``internal``: it does not lead out."""

    id: str
    name: str
    internal: bool
    members: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container as the Docker engine describes it. ``mounts`` are host directories and volumes, ``source:target``."""

    id: str
    name: str
    image: str
    running: bool
    privileged: bool
    pid_mode: str
    ipc_mode: str
    network_mode: str
    networks: tuple[Network, ...]
    mounts: tuple[str, ...]
    volumes_from: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What can be seen of a server from outside it, for the question whether two of them are apart.

    ``machine`` names where it runs, when that is known: different names do not prove two machines, but equal device and
    inode numbers mean something only on the same one. ``account`` is the operating system account of its processes,
    ``contained_by`` names what keeps them in (a container, a sandbox); None: nothing does.
    ``unknown`` holds what could not be seen, a reason each: a comparison that needs it has to fail.
    """

    environment: EnvironmentName
    kind: EngineKind
    machine: str | None
    listens: tuple[Listening, ...]
    storage: tuple[Storage, ...]
    account: str | None = None
    container: Container | None = None
    contained_by: str | None = None
    unknown: tuple[str, ...] = ()
