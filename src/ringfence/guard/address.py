"""Where a database address leads: production, the test database, elsewhere, or nobody knows (pure)."""

from __future__ import annotations

import re

from ringfence.guard.expansion import known
from ringfence.guard.verdict import Refused
from ringfence.guard.words import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ringfence.guard.policy import Policy

PRODUCTION, TEST, OTHER, UNNAMED, UNSEEN = "production", "test", "other", "unnamed", "unseen"

_DATABASE_URL = re.compile(
    r"(?:jdbc:)?(?:postgres(?:ql)?|pgsql|postgis|cockroachdb|timescale\w*|prisma\+postgres)(?:\+\w+)?:(?://)?[^\s'\"<>\\,;)`]*",
    re.IGNORECASE,
)
_PARTS = re.compile(r"(?:jdbc:)?[a-z+_0-9]+:(?://)?(?:[^/?#]*@)?([^/?#]*)(?:/([^?#]*))?(?:\?([^#]*))?", re.IGNORECASE)
_PAIR = re.compile(r"([A-Za-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']*)")
_patterns: dict[int, re.Pattern[str]] = {}


class Place:
    """A verdict about an address, and the address as a person would say it (never a password)."""

    __slots__ = ("said", "verdict")

    def __init__(self, verdict: str, said: str) -> None:
        self.verdict = verdict
        self.said = said.replace(UNKNOWN, "…")[:160]


def decoded(text: str) -> str:
    """A part of a URL without its percent signs."""
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda m: chr(int(m[1], 16)), text)


def place_of(policy: Policy, hosts: Sequence[str], ports: Sequence[str], databases: Sequence[str] = ()) -> Place:
    """The verdict about every host, port and database that a client may use; it is test only if all of them are."""
    said = f"{'/'.join(h for h in hosts if h) or 'the local socket'}:{'/'.join(ports)}"
    said += f" {'/'.join(d for d in databases if d)}" if any(databases) else ""
    production, test = policy.production, policy.test
    for port in ports:
        number = int(port) if port.isdigit() and len(port) < 7 else -1
        ours = number == test.db_port and all(test.is_host(h) for h in hosts)
        if number == production.db_port and not ours:
            return Place(PRODUCTION, said)
    if any(production.is_host(host) and not test.is_host(host) for host in hosts if host):
        return Place(PRODUCTION, said)
    if not all(map(known, (*hosts, *ports, *databases))):
        return Place(UNSEEN, said)
    if not ports or not hosts:
        return Place(UNNAMED, said)
    if all(test.is_host(h) for h in hosts) and all(p.strip() == str(test.db_port) for p in ports):
        if production.database in databases and production.database != test.database:
            return Place(OTHER, f"{said}, whose name is that of production's database")
        return Place(TEST, said)
    return Place(OTHER, said)


def url_place(policy: Policy, url: str, *, hosts: Sequence[str] = (), ports: Sequence[str] = ()) -> Place | None:
    """Where a database URL leads; None for another kind of database. Parameters in it count as much as its address."""
    if not _DATABASE_URL.match(url):
        return None
    found = _PARTS.fullmatch(url)
    if found is None:
        return Place(UNSEEN, "a URL that cannot be read")
    here, there = list(hosts), list(ports)
    for one in found[1].split(","):
        address = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(.*))?", decoded(one))
        if address is None:
            return Place(UNSEEN, "a URL that cannot be read")
        here.append(address[1])
        there.append(address[2] or "5432")
    databases = [decoded(found[2])] if found[2] else []
    for pair in (found[3] or "").split("&"):
        key, _, value = pair.partition("=")
        value = decoded(value)
        if key in ("host", "hostaddr"):
            here += value.split(",")
            if not found[1]:
                here = [h for h in here if h]
        elif key == "port":
            there += value.split(",")
            if not found[1]:
                there.remove("5432")
        elif key in ("dbname", "database"):
            databases.append(value)
        elif key in ("service", "servicefile"):
            return Place(UNSEEN, f"the service {value}")
    return place_of(policy, here, there, databases)


def urls_in(text: str) -> list[str]:
    """The database URLs in a text."""
    return [found[0].rstrip(".") for found in _DATABASE_URL.finditer(text) if "//" in found[0] or "@" in found[0]]


def conninfo(text: str) -> dict[str, str]:
    """The parameters of a libpq connection string of the form ``key=value key='value'``."""
    return {k.lower(): v[1:-1].replace("\\'", "'") if v[:1] == "'" else v for k, v in _PAIR.findall(text)}


def _pattern(policy: Policy) -> re.Pattern[str]:
    made = _patterns.get(id(policy))
    if made is None:
        production, test = policy.production, policy.test
        ports = {production.db_port, production.web_port} - {test.db_port, test.web_port}
        numbers = [form for port in ports for form in ("_?".join(str(port)), f"0[xX]0*(?i:{port:x})")]
        names = [n for n in (production.container, production.volume) if n]
        names += [h for h in production.hosts if h and not test.is_host(h)]
        options = []
        if numbers:
            options.append(rf"(?<![\w.])(?:-[A-Za-z])?(?:{'|'.join(numbers)})(?![\w]|\.\d)")
        if names:
            options.append(rf"(?<![\w])(?:{'|'.join(map(re.escape, names))})(?![A-Za-z0-9])")
        made = _patterns[id(policy)] = re.compile("|".join(options) or r"(?!)")
    return made


def production_in(policy: Policy, text: str) -> str | None:
    """The first thing in a text that names production: a port, a container, a volume, a host."""
    found = _pattern(policy).search(text) or _pattern(policy).search(decoded(text) if "%" in text else "")
    if found:
        return found[0].lstrip("-")
    for url in urls_in(text):
        place = url_place(policy, url)
        if place is not None and place.verdict == PRODUCTION:
            return place.said
    return None


def refuse_production(policy: Policy, *texts: str, what: str = "the command") -> None:
    """Refuse where any of these texts names production."""
    for text in texts:
        named = production_in(policy, text)
        if named is not None:
            raise Refused(f"{what} names production ({named})", use_test(policy))


def use_test(policy: Policy) -> str:
    """What to do instead, for anything that needs a database."""
    return f"use the test database: {policy.test_url}, web port {policy.test.web_port}"


def worst(places: Iterable[Place]) -> Place | None:
    """The place that counts among several: production, then what is not seen or elsewhere, then test."""
    order = (PRODUCTION, UNSEEN, OTHER, UNNAMED, TEST)
    return min(places, key=lambda p: order.index(p.verdict), default=None)
