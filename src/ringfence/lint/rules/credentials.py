"""``production-credentials``: a password for production anywhere in the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ringfence.lint.addresses import DATABASES, addresses, leads_to
from ringfence.lint.model import UNKNOWN, Code, Facts, Hit, Place, Rule
from ringfence.redact import MASK, redact

_PGPASS = re.compile(r"^(?P<host>[^:#\s]+):(?P<port>\d+|\*):(?P<database>[^:]+):(?P<user>[^:]+):(?P<password>.+)$")
_PLACEHOLDER = re.compile(
    r"^(\*+|x+|<.*>|\$\{?.*|%.*|password|changeme|secret|example|your[_-].*|\.\.\.|…)$", re.IGNORECASE
)


def check(code: Code, facts: Facts) -> Iterator[Hit]:
    """URLs with a password, lines of pgpass files, and a dotenv file's variables taken together."""
    for text in code.texts:
        for value in text.values:
            yield from _in_url(value, text.place, facts)
    if code.language == "dotenv":
        yield from _in_variables(code, facts)
    for number, line in enumerate(code.lines if b":" in code.source and code.language == "shell" else (), 1):
        match = _PGPASS.match(line.strip())
        if match and match["port"] == str(facts.production.db_port) and not _PLACEHOLDER.match(match["password"]):
            yield _hit(Place(line=number, column=1, start=0, end=0), line.rpartition(":")[0] + f":{MASK}")


def _in_url(value: str, place: Place, facts: Facts) -> Iterator[Hit]:
    for address in addresses(value):
        if address.scheme not in DATABASES or not address.password:
            continue
        secret = value[address.start : address.end].partition("://")[2].rpartition("@")[0].partition(":")[2]
        if UNKNOWN in secret or _PLACEHOLDER.match(secret):
            continue
        if leads_to(address, facts.production, facts.test):
            yield _hit(place, redact(address.text.replace(UNKNOWN, "…")))


def _in_variables(code: Code, facts: Facts) -> Iterator[Hit]:
    values = {t.use.key.upper(): (t.values[0], t.place) for t in code.texts}
    secret = next(
        (k for k in ("PGPASSWORD", "POSTGRES_PASSWORD", "DB_PASSWORD", "DATABASE_PASSWORD") if k in values), None
    )
    if secret is None or not values[secret][0] or _PLACEHOLDER.match(values[secret][0]):
        return
    named = {values[k][0] for k in values if re.search(r"(PORT|HOST|DATABASE|_DB|DB_NAME)$", k)}
    production = facts.production
    if str(production.db_port) in named or named & production.hosts:
        yield _hit(values[secret][1], f"{secret}={MASK}")


def _hit(place: Place, text: str) -> Hit:
    return Hit(
        place=place,
        text=text,
        message="a password for production lies in the work tree, where every agent can read it",
        fix="change the password, remove it from the history, and keep it in the project's pgpass file",
    )


RULE = Rule(
    name="production-credentials",
    severity="critical",
    summary="production credentials in the tree",
    why="what an agent can read it can use; a subagent wiped every table with the URL it found in .env",
    check=check,
)
