"""What the roles of production are to be: one app role that reads, inserts and updates, and no way further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

Level = Literal["standard", "strict"]

GUARD_SCHEMA = "guard"
"""Where `strict` keeps what was overwritten; the app role has no right on it."""

GUARD_TRIGGERS = (
    "zz_ringfence_update",
    "zz_ringfence_insert",
    "zz_ringfence_delete",
    "zz_ringfence_truncate",
)
"""The guard's triggers; ``zz`` because triggers fire in the order of their names, and these are to see the end."""

TABLE_RIGHTS = ("SELECT", "INSERT", "UPDATE")
"""What the strategy gives the app on every table. DELETE and TRUNCATE are never among them."""

IDLE_LIMIT = "10min"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The declared state of one production database.

    ``tables`` narrows what the app gets on single tables (``public."Ledger"`` as PostgreSQL writes it → rights).
    ``member_of`` are roles that the app may stay a member of, ``superusers`` further superusers that are meant to be
    there, ``guards`` triggers of the project's own that audit takes for a guard, ``accept`` findings that a person has
    judged (``rule object`` → reason). ``settings`` are kept for the app's sessions. ``max_rows`` bounds the rows of one
    statement of the app (strict; None: no bound), ``max_value_bytes`` a single text or bytea value (strict).
    ``contained``: the server has a network of its own, where only it is reached by a socket or by loopback addresses.
    """

    database: str
    app: str
    admin: str
    level: Level = "standard"
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    member_of: tuple[str, ...] = ()
    superusers: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    known_functions: tuple[str, ...] = ()
    """SHA-256 of the texts of functions with their owner's rights that this tool made; audit need not judge them."""
    accept: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    settings: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({"idle_in_transaction_session_timeout": IDLE_LIMIT})
    )
    max_rows: int | None = None
    max_value_bytes: int = 50_000_000
    idle_s: float = 60.0
    contained: bool = False


@dataclass(frozen=True, kw_only=True)
class Passwords:
    """Where the app's password is kept, and at which addresses it is good."""

    passfile: Path
    host: str
    port: int

    @property
    def hosts(self) -> tuple[str, ...]:
        """The address, and the name it has on this machine."""
        return tuple(dict.fromkeys((self.host, "localhost" if self.host == "127.0.0.1" else self.host)))
