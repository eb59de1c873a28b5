"""The container of an environment: as a compose file for people, and as the command line that makes the same one. Pure.

Neither holds a secret: the password the image needs for its first start comes from a file outside the work tree, and is
taken from its role right after that start.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ringfence.engines.containers import POSTGRES_PORT
from ringfence.engines.model import EnvironmentName

IMAGE_SUPERUSER = "postgres"
DATA_MOUNT = "/var/lib/postgresql"
DATA_DIRECTORY = "/var/lib/postgresql/pgdata"
"""Not the image's own place: that differs between images of 17 and of 18, and the older ones would put an anonymous
volume there, which goes when the container goes."""

_HEALTH = f"pg_isready -q -h 127.0.0.1 -p {POSTGRES_PORT} -U {IMAGE_SUPERUSER}"


@dataclass(frozen=True, kw_only=True)
class Service:
    """What is made for one environment. ``env_file`` is below the user's configuration directory."""

    project: str
    environment: EnvironmentName
    container: str
    volume: str
    image: str
    port: int

    @property
    def network(self) -> str:
        """A network of this container's own."""
        return f"{self.project}-net-{self.short}"

    @property
    def short(self) -> str:
        """The strategy's short word for the environment."""
        return "prod" if self.environment == "production" else "test"

    @property
    def compose_project(self) -> str:
        """Its own, so that no command for one environment concerns the other."""
        return f"{self.project}-{self.environment}"

    @property
    def file_name(self) -> str:
        """Where the compose file lies, from the project's root."""
        return f"compose.{self.environment}.yaml"

    @property
    def env_file_name(self) -> str:
        """The file with the password for the first start, beside the pgpass file."""
        return f"docker-{self.environment}.env"

    @property
    def volume_is_composes(self) -> bool:
        """Whether compose makes the volume, and may remove it: test's data are disposable, production's are not."""
        return self.environment == "test"

    @property
    def restart(self) -> str:
        """Production comes back after the machine was started anew, as an application expects; test does not."""
        return "unless-stopped" if self.environment == "production" else "no"


def compose_text(service: Service) -> str:
    """The compose file."""
    env_file = f"${{XDG_CONFIG_HOME:-${{HOME}}/.config}}/ringfence/{service.project}/{service.env_file_name}"
    if not service.volume_is_composes:
        volume = (
            "    # Not made and not removed by compose: even 'down --volumes' leaves production's data.\n"
            "    external: true\n"
        )
        head = "# The production database. "
    else:
        volume, head = f"    labels: {json.dumps(_labels(service))}\n", "# The test database: disposable data. "
    return f"""\
{head}Written by 'ringfence init'; 'ringfence up' makes and starts the same
# container, with or without the compose plugin. Ringfence makes it only from what ringfence.toml says, never from this
# file. If you change it, make the container yourself ('docker compose -f {service.file_name} up -d');
# 'ringfence up' adopts what is there.
name: {_text(service.compose_project)}
services:
  db:
    image: {_text(service.image)}
    container_name: {_text(service.container)}
    restart: {_text(service.restart)}
    ports:
      - {_text(f"127.0.0.1:{service.port}:{POSTGRES_PORT}")}
    volumes:
      - {_text(f"data:{DATA_MOUNT}")}
    networks: [db]
    environment:
      PGDATA: {_text(DATA_DIRECTORY)}
    env_file:
      # One line, POSTGRES_PASSWORD=…; 'ringfence up' makes it, readable for you alone.
      - {_text(env_file)}
    healthcheck:
      test: ["CMD-SHELL", {_text(_HEALTH)}]
      interval: 5s
      timeout: 5s
      retries: 20
      start_period: 30s
    shm_size: 128m
    stop_signal: SIGINT
    stop_grace_period: 60s
    labels: {json.dumps(_labels(service))}
volumes:
  data:
    name: {_text(service.volume)}
{volume}networks:
  db:
    name: {_text(service.network)}
"""


def run_words(service: Service, env_file: str) -> tuple[str, ...]:
    """The same container with the plain client: the words after ``docker``. Volume and network are there already."""
    labels = [word for name, value in _labels(service).items() for word in ("--label", f"{name}={value}")]
    return (
        *("run", "--detach", "--name", service.container, "--restart", service.restart),
        *("--publish", f"127.0.0.1:{service.port}:{POSTGRES_PORT}"),
        *("--volume", f"{service.volume}:{DATA_MOUNT}", "--network", service.network),
        *("--env", f"PGDATA={DATA_DIRECTORY}", "--env-file", env_file),
        *("--health-cmd", _HEALTH, "--health-interval", "5s", "--health-timeout", "5s"),
        *("--health-retries", "20", "--health-start-period", "30s"),
        *("--shm-size", "128m", "--stop-signal", "SIGINT", "--stop-timeout", "60"),
        *labels,
        service.image,
    )


def volume_words(service: Service) -> tuple[str, ...]:
    """Make the volume: the words after ``docker``."""
    labels = [word for name, value in _labels(service).items() for word in ("--label", f"{name}={value}")]
    return ("volume", "create", *labels, service.volume)


def network_words(service: Service) -> tuple[str, ...]:
    """Make the network: the words after ``docker``."""
    labels = [word for name, value in _labels(service).items() for word in ("--label", f"{name}={value}")]
    return ("network", "create", *labels, service.network)


def _labels(service: Service) -> dict[str, str]:
    return {"ringfence.project": service.project, "ringfence.environment": service.environment}


def _text(value: str) -> str:
    # A JSON string is a YAML string whatever it holds; compose reads $$ as $, and ${…} is meant.
    return json.dumps(value)
