"""Containers of a test's own: unique names, all of it gone at the end."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.dockerd import DockerForTests
from tests.postgres.engines.conftest import Place

from ringfence.engines import ports
from ringfence.engines.docker import DockerEngine
from ringfence.engines.model import EnvironmentName
from ringfence.postgres.programs import find_programs


@dataclass(kw_only=True)
class Containers:
    """Engines of one project of the test's own."""

    place: Place
    docker: DockerForTests
    project: str = field(default_factory=lambda: f"t{secrets.token_hex(4)}")

    def engine(self, environment: EnvironmentName = "production", **other: Any) -> DockerEngine:
        """An engine that was never started. ``other`` settings take the place of its own."""
        short = "prod" if environment == "production" else "test"
        settings: dict[str, Any] = {
            "project": self.project,
            "environment": environment,
            "root": self.place.path,
            "container": f"{self.project}-db-{short}",
            "volume": f"{self.project}_data_{short}",
            "image": self.docker.image,
            "port": ports.free_port(),
            "superuser": f"shop_{'admin' if environment == 'production' else 'test'}",
            "passfile": self.place.path / "config" / "ringfence" / self.project / "pgpass",
            "available": find_programs(),
            "environ": self.docker.environment,
        }
        return DockerEngine(**(settings | other))

    def by_hand(self, engine: DockerEngine, *options: str, password: str = "the owner's") -> None:
        """A container as its owner made it, long before there was Ringfence; the words of ``docker run`` are his."""
        words = ("--label", f"ringfence.project={self.project}", "-e", f"POSTGRES_PASSWORD={password}")
        self.docker.run("run", "-d", "--name", engine.container, *words, *options, self.docker.image)

    def clean_up(self) -> None:
        for name in self.docker.lines("ps", "-a", "--format", "{{.Names}}"):
            if name.startswith(self.project):
                self.docker.run("rm", "-f", "-v", name, check=False)
        for kind in ("volume", "network"):
            for name in self.docker.lines(kind, "ls", "--format", "{{.Name}}"):
                if name.startswith(self.project):
                    self.docker.run(kind, "rm", name, check=False)


@contextlib.contextmanager
def containers(place: Place, docker: DockerForTests) -> Iterator[Containers]:
    """Containers that are gone at the end of the block."""
    made = Containers(place=place, docker=docker)
    try:
        yield made
    finally:
        made.clean_up()
