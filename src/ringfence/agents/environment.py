"""The environment an agent gets: an allow-list, and a database that is always the test database. Pure.

Whatever is not listed here does not reach an agent: no ``PG*`` of the caller, no ``DATABASE_URL`` of the caller, no
cloud, registry or GitHub credentials, no Docker, no ssh agent. A project that needs more names it (``pass_through``),
except for the few names that lead to a database or a server by their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from ringfence.agents.model import TestAccess
from ringfence.process import SYSTEM_PATH

ALLOWED = frozenset(
    {
        # the account and the terminal
        *("HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"),
        # where tools of a language are installed; none of these holds a credential
        *("NODE_ENV", "NVM_DIR", "NVM_BIN", "VOLTA_HOME", "PNPM_HOME", "BUN_INSTALL", "PLAYWRIGHT_BROWSERS_PATH"),
        *("VIRTUAL_ENV", "PYENV_ROOT", "GOPATH", "GOROOT", "CARGO_HOME", "RUSTUP_HOME", "JAVA_HOME"),
        # the network as this machine reaches it
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NODE_USE_ENV_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        # the model behind the agent
        *("GOOGLE_API_KEY", "CLAUDE_CONFIG_DIR", "CURSOR_API_KEY", "COPILOT_MODEL"),
    }
)
ALLOWED_PREFIXES = ("LC_", "XDG_", "ANTHROPIC_", "OPENAI_", "GEMINI_", "GOOGLE_GENAI_", "CLAUDE_CODE_", "CODEX_")

_IN_URL = frozenset({"sslmode", "sslrootcert", "sslcert", "sslkey"})
"""What drivers of other languages understand in a URL as libpq does; some refuse a URL with more."""
_VARIABLES = {
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "krbsrvname": "PGKRBSRVNAME",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "channel_binding": "PGCHANNELBINDING",
    "require_auth": "PGREQUIREAUTH",
    "gssencmode": "PGGSSENCMODE",
    **{
        name: f"PG{name.upper()}"
        for name in (
            *("sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslsni"),
            "sslcertmode",
        )
    },
}
"""libpq's variable for a parameter, where there is one (https://www.postgresql.org/docs/current/libpq-envars.html)."""

_NEVER = re.compile(
    r"PG[A-Z0-9_]*|(?:\w+_)?DATABASE_URL(?:_\w+)?|DOCKER_\w+|CONTAINER_HOST|SSH_AUTH_SOCK|RINGFENCE_\w+"
)
_DATABASE_URL = re.compile(r"(?:postgres(?:ql)?|pgsql|postgis|timescale\w*)(?:\+\w+)?://[^\s'\"<>]*", re.IGNORECASE)
_CONNINFO_WHERE = re.compile(r"(?:^|[\s'\"])(?:host|hostaddr|service)\s*=", re.IGNORECASE)
_CONNINFO_WHAT = re.compile(r"(?:^|[\s'\"])(?:dbname|user|password|service)\s*=", re.IGNORECASE)
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|COOKIE|_AUTH$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A variable of the caller's that an agent could have expected and does not get, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class AgentEnvironment:
    """The variables of one agent and what was kept from it. The values hold secrets, so they are not shown."""

    variables: Mapping[str, str] = field(repr=False)
    dropped: tuple[Dropped, ...]

    def secrets(self) -> tuple[str, ...]:
        """The values that must not appear in what the agent prints: by the name of their variable."""
        found = {value for name, value in self.variables.items() if value and _SECRET_NAME.search(name)}
        return tuple(sorted(found | {self.variables["PGPASSWORD"]}))


def test_database_url(access: TestAccess) -> str:
    """The test database as a URL, every part percent-encoded (an IPv6 address stands in brackets)."""
    host = f"[{access.host}]" if ":" in access.host else quote(access.host, safe="")
    login = f"{quote(access.user, safe='')}:{quote(access.password, safe='')}"
    how = "&".join(f"{name}={quote(value, safe='/')}" for name, value in access.parameters if name in _IN_URL)
    return f"postgresql://{login}@{host}:{access.port}/{quote(access.database, safe='')}{'?' if how else ''}{how}"


test_database_url.__test__ = False  # type: ignore[attr-defined]  # its name begins with "test"; pytest must not run it


def agent_environment(
    caller: Mapping[str, str],
    access: TestAccess,
    *,
    programs_directory: Path | None,
    pass_through: Collection[str] = (),
    agent: str,
    run_id: str,
    issue: str | None,
) -> AgentEnvironment:
    """The environment of one agent.

    ``programs_directory`` is appended to ``PATH``, so that ``psql`` exists without hiding the user's own.
    ``pass_through`` are further names, or prefixes ending in ``*``, from the project's configuration. Only variables
    that would have been passed, or that were asked for, are reported as dropped.
    """
    url = test_database_url(access)
    kept: dict[str, str] = {}
    dropped: list[Dropped] = []
    for name in sorted(caller):
        if not (_is_allowed(name) or _is_asked_for(name, pass_through)):
            continue
        reason = _objection(name, caller[name], url)
        if reason is None:
            kept[name] = caller[name]
        else:
            dropped.append(Dropped(name=name, reason=reason))
    kept["PATH"] = _path(caller.get("PATH"), programs_directory)
    kept.update(_test_variables(access, url))
    kept.update({"RINGFENCE_RUN": run_id, "RINGFENCE_AGENT": agent, "GIT_TERMINAL_PROMPT": "0"})
    if issue is not None:
        kept["RINGFENCE_ISSUE"] = issue
    return AgentEnvironment(variables=kept, dropped=tuple(dropped))


def _test_variables(access: TestAccess, url: str) -> dict[str, str]:
    """Every way in which a program asks for a database, answered with the test database.

    The files that libpq and psql read besides are replaced by ones that cannot hold anything: with ``PGSERVICEFILE``
    alone libpq still reads ``pg_service.conf`` in ``PGSYSCONFDIR``, and psql its system-wide ``psqlrc`` there, so that
    is a path which can never be a directory.
    """
    return {
        "DATABASE_URL": url,
        "TEST_DATABASE_URL": url,
        "TEST_BASE_URL": f"http://127.0.0.1:{access.web_port}",
        "PGHOST": access.host,
        "PGPORT": str(access.port),
        "PGDATABASE": access.database,
        "PGUSER": access.user,
        "PGPASSWORD": access.password,
        "PGPASSFILE": "/dev/null",
        "PGSERVICEFILE": "/dev/null",
        "PGSYSCONFDIR": "/dev/null",
        "PSQLRC": "/dev/null",
        **({"PGHOSTADDR": access.address} if access.address else {}),
        **{_VARIABLES[name]: value for name, value in access.parameters if name in _VARIABLES},
    }


def _is_allowed(name: str) -> bool:
    return name in ALLOWED or name.startswith(ALLOWED_PREFIXES)


def _is_asked_for(name: str, pass_through: Collection[str]) -> bool:
    return any(
        name == wanted or (wanted.endswith("*") and len(wanted) > 1 and name.startswith(wanted[:-1]))
        for wanted in pass_through
    )


def _objection(name: str, value: str, test_url: str) -> str | None:
    """Why a variable is not passed on although its name was allowed or asked for."""
    if _NEVER.fullmatch(name):
        return "its name leads to a database or a server; agents get the test environment's"
    if "\0" in value or "\0" in name:
        return "it holds a NUL character"
    for text in {value, unquote(value)}:
        if any(match[0].rstrip(".,;)") != test_url for match in _DATABASE_URL.finditer(text)):
            return "its value holds the URL of another PostgreSQL server"
        if _CONNINFO_WHERE.search(text) and _CONNINFO_WHAT.search(text):
            return "its value looks like a connection string of another PostgreSQL server"
    return None


def _path(path: str | None, programs_directory: Path | None) -> str:
    entries = [entry for entry in (path or SYSTEM_PATH).split(":") if entry]
    if programs_directory is not None and str(programs_directory) not in entries:
        entries.append(str(programs_directory))
    return ":".join(entries)
