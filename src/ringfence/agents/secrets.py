"""Credentials that an agent could come across: what a text gives away about them, never the secret itself (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

Power = Literal["production", "infrastructure", "another server"]
"""What a credential opens: production's database; what production runs on or is published from; some other database."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How production's and test's servers are recognised in an address."""

    production_hosts: frozenset[str]
    production_port: int
    test_hosts: frozenset[str]
    test_port: int
    production_roles: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A credential in a text: its line (from 1), what it is, what it opens. No part of it is kept."""

    line: int
    what: str
    power: Power


_URL = re.compile(r"postgres(?:ql)?(?:\+\w+)?://([^\s:/@'\"]+):([^\s@'\"]{1,200})@([^\s/'\"?]*)", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"[<$%{}*]|^(?:x+|\.+|pass(?:word|wd)?|secret|changeme|postgres|example|your.*|my.*|user|pwd|test|dummy|todo)$",
    re.I,
)
_ASSIGNED = re.compile(r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*[=:]\s*['\"]?([^\s'\"#]+)")
_PASSWORD_NAME = re.compile(r"^(?:PGPASSWORD|(?:\w+_)?(?:DB|DATABASE|POSTGRES|PG)_?PASS(?:WORD|WD)?)$")
_PORT_NAME = re.compile(r"^(?:PGPORT|(?:\w+_)?(?:DB|DATABASE|POSTGRES|PG)_?PORT)$")
_TOKENS: tuple[tuple[str, str], ...] = (
    ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("an AWS secret key", r"(?i)aws_secret_access_key\s*[=:]\s*['\"]?[A-Za-z0-9/+]{40}\b"),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})\b"),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}\b"),
    ("a private key", r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    ("a DigitalOcean token", r"\bdop_v1_[0-9a-f]{64}\b"),
    ("a Heroku API key", r"\bHRKU-[A-Za-z0-9_-]{30,}"),
    ("a Fly.io token", r"\b(?:FlyV1 )?fm[12]_[A-Za-z0-9+/=_-]{40,}"),
    ("a Supabase token", r"\bsbp_[0-9a-f]{40}\b"),
    ("a Neon API key", r"\bnapi_[a-z0-9]{40,}\b"),
    ("a Render API key", r"\brnd_[A-Za-z0-9]{28,}\b"),
    (
        "a Railway or Vercel token",
        r"\b(?:RAILWAY_TOKEN|RAILWAY_API_TOKEN|VERCEL_TOKEN)\s*[=:]\s*['\"]?[A-Za-z0-9-]{20,}",
    ),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}\b|_authToken=(?!\$)\S{20,}"),
    ("an Azure storage key", r"AccountKey=[A-Za-z0-9+/]{60,}={0,2}"),
    ("a Google service account", r"\"private_key_id\"\s*:\s*\"[0-9a-f]{40}\""),
    ("a Kubernetes credential", r"(?m)^\s*(?:client-key-data|token):\s*[A-Za-z0-9+/=._-]{40,}"),
    ("a Terraform Cloud token", r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9]{60,}"),
)
_TOKEN_PATTERNS = tuple((what, re.compile(pattern)) for what, pattern in _TOKENS)


def in_text(text: str, reach: Reach) -> list[Secret]:
    """The credentials in a file, in the order of their lines. What is a placeholder, or opens only test, is none."""
    found = [*_in_urls(text, reach), *_in_assignments(text, reach)]
    for what, pattern in _TOKEN_PATTERNS:
        found += [
            Secret(line=_line(text, m.start()), what=what, power="infrastructure") for m in pattern.finditer(text)
        ]
    return sorted({(s.line, s.what): s for s in found}.values(), key=lambda s: (s.line, s.what))


def in_passfile(text: str, reach: Reach) -> list[Secret]:
    """The lines of a file in pgpass form that open something else than test."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = re.split(r"(?<!\\):", line)
        if len(parts) == 5 and not line.startswith("#"):
            power = _power(parts[0], parts[1], reach, user=parts[3])
            if power is not None:
                found.append(Secret(line=number, what=f"a password for {_address(parts[0], parts[1])}", power=power))
    return found


def _in_urls(text: str, reach: Reach) -> Iterator[Secret]:
    for match in _URL.finditer(text):
        user, password, address = unquote(match[1]), unquote(match[2]), match[3]
        host, _, port = address.rpartition(":") if re.search(r":\d+$", address) else (address, "", "5432")
        power = _power(host, port, reach, user=user)
        if power is not None and not _PLACEHOLDER.search(password):
            said = f"a URL with a password for {_address(host, port)}"
            yield Secret(line=_line(text, match.start()), what=said, power=power)


def _in_assignments(text: str, reach: Reach) -> Iterator[Secret]:
    """``DB_PASSWORD=…`` counts where the same file gives production's port: alone it does not say what it opens."""
    port, passwords = "", []
    for number, line in enumerate(text.splitlines(), 1):
        match = _ASSIGNED.match(line)
        if match and _PORT_NAME.match(match[1]):
            port = match[2]
        elif match and _PASSWORD_NAME.match(match[1]) and not _PLACEHOLDER.search(match[2]):
            passwords.append((number, match[1]))
    if port == str(reach.production_port):
        for number, name in passwords:
            yield Secret(line=number, what=f"{name}, beside production's port", power="production")


def _power(host: str, port: str, reach: Reach, *, user: str) -> Power | None:
    name = host.strip("[]").lower()
    if name in reach.test_hosts and port == str(reach.test_port):
        return None
    if port in (str(reach.production_port), "*") or (name in reach.production_hosts and name not in reach.test_hosts):
        return "production"
    return "production" if user in reach.production_roles else "another server"


def _address(host: str, port: str) -> str:
    return f"{host or 'the local socket'}:{port}"


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
