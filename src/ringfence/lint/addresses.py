"""Addresses inside of texts: which host, port and database they lead to (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ringfence.lint.model import UNKNOWN, Facts, Side

LOCAL = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1", "[::1]", "host.docker.internal"})
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{1,20})://(?:(?P<user>[^\s/@'\"`<>]*)@)?"
    r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s/:?#@'\"`<>()|,]*)(?::(?P<port>\d{1,5}(?!\d)|\0))?(?P<path>/[^\s'\"`<>?#]*)?",
    re.IGNORECASE,
)
_HOST_PORT = re.compile(
    r"(?<![\w.:/@-])(?P<host>localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|0\.0\.0\.0|\[::1\]|[a-z0-9-]+(?:\.[a-z0-9-]+)+)"
    r":(?P<port>\d{2,5})(?![\d.\w])",
    re.IGNORECASE,
)
WEB = frozenset({"http", "https", "ws", "wss"})
DATABASES = frozenset({"postgres", "postgresql"})


@dataclass(frozen=True, kw_only=True)
class Address:
    """One address in a text; ``start`` and ``end`` are its characters there."""

    scheme: str
    host: str
    port: int | None
    path: str
    password: bool
    start: int
    end: int
    text: str

    @property
    def database(self) -> str:
        """The database of a URL of PostgreSQL."""
        return self.path.strip("/").partition("/")[0] if self.scheme in DATABASES else ""

    @property
    def local(self) -> bool:
        """Whether it leads to this machine."""
        return self.host.lower() in LOCAL or self.host.startswith("127.")


def addresses(text: str) -> list[Address]:
    """Every URL and every ``host:port`` in a text."""
    found = []
    for match in _URL.finditer(text):
        scheme = match["scheme"].lower().partition("+")[0]
        port = match["port"]
        found.append(
            Address(
                scheme=scheme,
                host=match["host"] or "",
                port=int(port) if port and port != UNKNOWN else None,
                path=match["path"] or "",
                password=":" in (match["user"] or "") and not (match["user"] or "").endswith(":"),
                start=match.start(),
                end=match.end(),
                text=match[0],
            )
        )
    covered = [(a.start, a.end) for a in found]
    for match in _HOST_PORT.finditer(text):
        if not any(start <= match.start() < end for start, end in covered):
            found.append(
                Address(
                    scheme="",
                    host=match["host"],
                    port=int(match["port"]),
                    path="",
                    password=False,
                    start=match.start(),
                    end=match.end(),
                    text=match[0],
                )
            )
    return found


def leads_to(address: Address, side: Side, other: Side) -> str | None:
    """Why an address leads to an environment, in a few words; None where it does not, or that cannot be told.

    A port counts on this machine and on the environment's hosts; a host counts by itself; a database's name counts
    only where the other environment's port does not stand beside it.
    """
    host = address.host.lower()
    if host in side.hosts:
        return f"host {host}"
    if host == side.container.lower():
        return f"container {host}"
    here = address.local or not host or UNKNOWN in host
    if here and address.port == side.web_port:
        return f"web port {address.port}"
    if here and address.port == side.db_port:
        return f"database port {address.port}"
    if address.database and address.database == side.database and address.port != other.db_port:
        return f"database {side.database}"
    return None


def to_production(text: str, facts: Facts) -> tuple[Address, str] | None:
    """The first address in a text that leads to production, and why."""
    for address in addresses(text):
        why = leads_to(address, facts.production, facts.test)
        if why:
            return address, why
    return None
