"""What every engine says of its server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ServerState = Literal["running", "stopped", "absent"]
EnvironmentName = Literal["production", "test"]


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """A server as it is at this moment. ``absent`` means that it was never made here."""

    environment: EnvironmentName
    engine: str
    state: ServerState
    host: str
    port: int
    pid: int | None = None
    server_version: str | None = None
    data_directory: Path | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Started:
    """What starting a server changed: nothing when it ran already. ``notes`` are for the person who asked."""

    created: bool
    started: bool
    notes: tuple[str, ...] = ()
