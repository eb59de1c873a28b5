"""A connection URL as it may stand in ringfence.toml: one server, nothing hidden, no secret. Pure.

It is read by libpq's own parser. What that parser lets a parameter override (host, port, database, role …) is refused
by its name: a URL must lead where it says. Whether the server there is the one that is meant is asked of the server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ringfence.redact import one_line

SCHEMES = ("postgresql://", "postgres://")
DEFAULT_PORT = 5432

_ALLOWED = frozenset(
    {
        *("sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslsni"),
        *("sslcertmode", "ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding", "require_auth"),
        *("gssencmode", "krbsrvname", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
        *("tcp_user_timeout", "connect_timeout"),
    }
)
"""What says how a connection is made and not where it leads. All others are refused, those of future versions too."""

_MISLEADING = frozenset(
    {
        *("host", "hostaddr", "port", "service", "servicefile", "dbname", "user", "options"),
        *("target_session_attrs", "load_balance_hosts"),
    }
)
"""Parameters that lead elsewhere than the url shows, or make what answers look like something else."""

_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
PASSWORD_ELSEWHERE = (
    "a password does not belong in this file; it stands in the project's pgpass file: 'ringfence up' names it and the "
    "line to write"
)
_NAME = re.compile(r"[a-z_]{1,40}")
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir")
"""Parameters whose values are files (the last one a directory) on this machine."""
_WHY = {
    **dict.fromkeys(("host", "hostaddr", "port"), "it leads to another server than the one the url shows"),
    **dict.fromkeys(("service", "servicefile"), "it leads to whatever a service file says"),
    "dbname": "it leads to another database than the one the url shows",
    "user": "it names another role than the one the url shows",
    "options": "it changes what statements in the session mean",
    "target_session_attrs": "it picks a server by its state; name the one that is meant",
    "load_balance_hosts": "it picks a server by chance; name the one that is meant",
    "passfile": "the password stands in the project's pgpass file, which no agent reads; 'ringfence up' names it",
    "password": PASSWORD_ELSEWHERE,
    "sslpassword": "a password does not belong in this file; use a key without one that only you can read",
    "ssl": "libpq's word is sslmode: sslmode=verify-full, or sslmode=require",
    "application_name": "sessions are named by what they are for",
    "replication": "it makes another kind of session",
}


class MisleadingURLError(ValueError):
    """A URL that leads, or may lead, elsewhere than it shows: not a slip of the pen but a question of identity."""


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """What a URL says. ``host`` is a name, an address, or the directory of a Unix socket (an absolute path)."""

    host: str
    port: int
    user: str | None
    database: str | None
    parameters: tuple[tuple[str, str], ...]


def read_url(text: str) -> ServerAddress:
    """Read a URL. Raises ValueError, whose words do not repeat the URL: it may hold a secret.

    `MisleadingURLError`, which is one, is raised for what hides where the URL leads.
    """
    if not text.startswith(SCHEMES):
        # host=… port=… or service=…: libpq would take it, and what it does not name comes from anywhere.
        kind = MisleadingURLError if "=" in text else ValueError
        raise kind(f"a url begins with {' or '.join(SCHEMES)}")
    base, _, query = text.partition("?")
    names = [unquote(part.partition("=")[0]) for part in query.split("&") if part]
    for name in names:
        if name not in _ALLOWED:
            # A ? in a password that was not encoded ends up here; its rest is not shown.
            shown_name = name if _NAME.fullmatch(name) else "after ?"
            kind = MisleadingURLError if name in _MISLEADING else ValueError
            raise kind(f"parameter {shown_name} is not taken: {_WHY.get(name, 'it is not known here')}")
        if names.count(name) > 1:
            raise ValueError(f"parameter {name} stands there twice")
    shown, whole = _parsed(base), _parsed(text)
    if whole.get("password") is not None:
        raise ValueError(_WHY["password"])
    if {k: v for k, v in whole.items() if k not in names} != shown:
        raise MisleadingURLError(
            "libpq would read it otherwise than it looks; write ? @ / : in a name as %3F %40 %2F %3A"
        )
    parameters = tuple(sorted((name, whole[name]) for name in names))
    for name, value in parameters:
        if name in FILES and not value.startswith("/") and (name, value) != ("sslrootcert", "system"):
            raise ValueError(f"{name} is {one_line(value[:80])!r}; it must be an absolute path")
        if name == "sslmode" and value not in _MODES:
            raise ValueError(f"sslmode is {one_line(value[:80])!r}; it is one of {', '.join(_MODES)}")
    host = shown.get("host", "")
    if not host or "," in host:
        raise MisleadingURLError(
            f"exactly one host is needed, {f'not {one_line(host[:80])!r}' if host else 'and none is named'}"
        )
    port = shown.get("port", str(DEFAULT_PORT))
    if not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError(f"{one_line(port[:40])!r} is not one port")
    return ServerAddress(
        host=host, port=int(port), user=shown.get("user"), database=shown.get("dbname"), parameters=parameters
    )


def _parsed(text: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(text).items() if value is not None}
    except psycopg.Error:
        # libpq's own words repeat the text.
        raise ValueError("libpq cannot read it; it is written as postgresql://role@host:port/database") from None
