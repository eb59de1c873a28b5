"""``production-address``: test code that names production by port, host, container, volume, database or URL."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ringfence.lint.addresses import to_production
from ringfence.lint.classify import is_e2e, is_test
from ringfence.lint.model import UNKNOWN, Code, Facts, Hit, Place, Rule, Text, fresh

_PORT_KEY = re.compile(r"port$", re.IGNORECASE)
_HOST_KEY = re.compile(r"(host|hostname|server)$", re.IGNORECASE)
_DATABASE_KEYS = frozenset({"database", "dbname", "db_name", "pgdatabase", "postgres_db", "databasename", "db"})
_CONNECTS = frozenset({"connect", "createConnection", "create_connection", "create_engine", "Client", "Pool"})


def check(code: Code, facts: Facts) -> Iterator[Hit]:
    """Whatever a test could reach production by."""
    if not is_test(code):
        return
    for text in code.texts:
        value = fresh(text, lambda v: _offence(v, text, facts) is not None)  # noqa: B023 (used at once)
        found = _offence(value, text, facts) if value is not None else None
        # An opened web page is said by absolute-url already.
        if found and not (is_e2e(code) and found[1].startswith("web port") and "://" in found[0]):
            yield _hit(text.place, *found, facts)
    for number in code.numbers:
        if number.value in facts.production_ports and _names_a_port(number.use.key, number.use.call):
            kind = "web port" if number.value == facts.production.web_port else "database port"
            yield _hit(number.place, str(number.value), f"{kind} {number.value}", facts)
    for command in code.commands:
        for flag, value in zip(command.words, command.words[1:], strict=False):
            if flag in ("-p", "--port") and value == str(facts.production.db_port):
                yield _hit(command.place, value, f"database port {value}", facts)


def _offence(value: str, text: Text, facts: Facts) -> tuple[str, str] | None:
    key, production = text.use.key, facts.production
    found = to_production(value, facts)
    if found:
        return found[0].text.replace(UNKNOWN, "…"), found[1]
    if value in (str(p) for p in facts.production_ports) and _names_a_port(key, text.use.call):
        return value, f"port {value}"
    if value in production.hosts and (_HOST_KEY.search(key) or text.use.call):
        return value, f"host {value}"
    for name, kind in ((production.container, "container"), (production.volume, "volume")):
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", value):
            return name, f"{kind} {name}"
    if value == production.database and key.lower() in _DATABASE_KEYS:
        return value, f"database {value}"
    setting = re.search(r"(?:^|\s)(?:dbname|port)\s*=\s*'?([\w-]+)", value)
    if setting and setting[1] in (production.database, str(production.db_port)) and "=" in value:
        return setting[0].strip(), f"database {production.database}"
    return None


def _names_a_port(key: str, call: str) -> bool:
    return bool(_PORT_KEY.search(key)) or call.rpartition(".")[2] in _CONNECTS


def _hit(place: Place, text: str, why: str, facts: Facts) -> Hit:
    test = facts.test
    return Hit(
        place=place,
        text=text,
        message=f"test code names production ({why})",
        fix=f"take the address from TEST_BASE_URL or TEST_DATABASE_URL; the test environment is "
        f"127.0.0.1:{test.web_port}, database {test.database} on port {test.db_port}",
    )


RULE = Rule(
    name="production-address",
    severity="critical",
    summary="test code names production's port, host, container, volume, database or URL",
    why="whatever a test names it can reach, empty, and fill with fixtures",
    check=check,
)
