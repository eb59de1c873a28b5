"""What a production container that is there says of itself, so that ``init`` need not be told it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ringfence.config.template import Place
from ringfence.engines.containers import POSTGRES_PORT, Found
from ringfence.engines.dockercli import find_docker
from ringfence.errors import ConfigError, EngineError
from ringfence.redact import one_line

_NO_DATABASE = "postgres"
"""Where PostgreSQL's images put nothing of an application."""


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """A container and what of it goes into ringfence.toml. ``notes`` say what was taken from it, and what was not."""

    place: Place
    notes: tuple[str, ...]


def look(name: str, place: Place, environ: Mapping[str, str], *, asked: bool) -> Adopted | None:
    """The container of this name, read from the Docker engine; nothing is started and no server asked.

    None where there is no such container, or no engine that could be asked; where it was ``asked`` for by name that is
    an error instead: EngineError or ConfigError (2).
    """
    try:
        docker = find_docker(environ)
        docker.require_local()
        found = docker.find(name)
    except EngineError:
        if asked:
            raise
        return None
    if found is None:
        if asked:
            raise ConfigError(f"there is no container {one_line(name)!r}", hint="'docker ps --all' lists them by name")
        return None
    return described(found, place)


def described(found: Found, place: Place) -> Adopted:
    """What of a container goes into the settings, in place of what a new one would have (pure)."""
    inner = int(port) if (port := found.environment.get("PGPORT", "")).isdigit() else POSTGRES_PORT
    published = sorted({address.port for own, address in found.published if own == inner})
    mount = found.mount_of(found.data_directory)
    # As the images do: without POSTGRES_DB the database is called like the superuser.
    database = found.environment.get("POSTGRES_DB") or found.environment.get("POSTGRES_USER") or _NO_DATABASE
    taken, missing = [], []
    if len(published) == 1:
        taken.append(f"db_port {published[0]}")
    else:
        several = f"several ports ({', '.join(map(str, published))})" if published else "no port of PostgreSQL"
        missing.append(f"it publishes {several}: set db_port under [production]")
    if mount is not None and mount.volume is not None:
        taken.append(f"volume {mount.volume}")
    elif mount is not None:
        taken.append(f"data in {one_line(mount.source)}")
    else:
        missing.append("its data lie in the container itself and go when it goes: give it a volume first")
    if database != _NO_DATABASE:
        taken.append(f"database {one_line(database)}")
    else:
        missing.append("it does not say which database is the application's: set database under [production]")
    has_a_name = bool(found.image) and not found.image.startswith("sha256:")
    first = f"there is a container {found.name}; taken from it: {', '.join(taken) or 'nothing'}"
    return Adopted(
        place=Place(
            engine=place.engine,
            image=found.image if has_a_name else place.image,
            container=found.name,
            volume=mount.volume if mount else None,
            port=published[0] if len(published) == 1 else None,
            database=database if database != _NO_DATABASE else None,
        ),
        notes=(first, *(f"{found.name}: {text}" for text in missing)),
    )
