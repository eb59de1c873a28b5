"""From what the settings say to the engine of an environment: the only place that knows all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ringfence.engines.contract import Containment, Engine
from ringfence.engines.docker import DockerEngine
from ringfence.engines.embedded import EmbeddedEngine
from ringfence.engines.model import EngineKind, EnvironmentName
from ringfence.engines.server import ServerEngine
from ringfence.errors import EngineError
from ringfence.postgres.programs import Programs
from ringfence.postgres.url import read_url


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What an engine of any kind is made from; each takes what it needs.

    ``superuser`` is the role that administers the server: the admin role of production, the test role of test. ``base``
    is where an embedded server lies; nothing is made there for the others. ``root`` is the project's work tree.
    """

    kind: EngineKind
    project: str
    environment: EnvironmentName
    port: int
    superuser: str
    passfile: Path
    base: Path
    root: Path
    available: Sequence[Programs]
    clients_available: Sequence[Programs]
    database: str
    environ: Mapping[str, str]
    container: str | None = None
    volume: str | None = None
    image: str | None = None
    url: str | None = None
    containment: Containment | None = None


def engine_for(settings: EngineSettings) -> Engine:
    """The engine of one environment. Raises EngineError (2) for settings that are not whole."""
    if settings.kind == "embedded":
        return EmbeddedEngine(
            project=settings.project,
            environment=settings.environment,
            base=settings.base,
            port=settings.port,
            superuser=settings.superuser,
            passfile=settings.passfile,
            available=settings.available,
            containment=settings.containment,
        )
    if settings.kind == "docker" and settings.container and settings.volume and settings.image:
        return DockerEngine(
            project=settings.project,
            environment=settings.environment,
            root=settings.root,
            container=settings.container,
            volume=settings.volume,
            image=settings.image,
            port=settings.port,
            superuser=settings.superuser,
            passfile=settings.passfile,
            available=settings.clients_available,
            environ=settings.environ,
        )
    if settings.kind == "server" and settings.url:
        address = read_url(settings.url)
        return ServerEngine(
            environment=settings.environment,
            host=address.host,
            port=address.port,
            database=settings.database,
            superuser=settings.superuser,
            parameters=address.parameters,
            passfile=settings.passfile,
            clients_available=settings.clients_available,
            environ=settings.environ,
        )
    raise EngineError(f"engine {settings.kind!r} of {settings.environment} lacks a setting")
