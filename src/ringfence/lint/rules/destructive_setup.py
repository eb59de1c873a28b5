"""``destructive-setup``: tests that empty the database that ``DATABASE_URL`` happens to name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ringfence.lint.classify import is_test
from ringfence.lint.model import Code, Facts, Hit, Place, Rule

_CALLS = frozenset({"drop_all", "dropDatabase", "dropSchema", "synchronize", "truncate", "reset_db", "drop_database"})
_SQL = re.compile(r"^\s*(drop\s+(database|schema|owned|table)|truncate\s)", re.IGNORECASE)
_NAMES_TEST = re.compile(r"TEST_DATABASE_URL|TEST_DB|TEST_PG|E2E_DATABASE", re.IGNORECASE)
_NAMES_DEPLOYED = re.compile(
    r"(process\.env|environ|getenv|env)\W{1,4}['\"]?(DATABASE_URL|POSTGRES_URL|PGDATABASE|DB_URL)\b"
    r"|\bsettings\.(database_url|DATABASE_URL|db_url|SQLALCHEMY_DATABASE_URI)\b"
)


def check(code: Code, facts: Facts) -> Iterator[Hit]:
    """Set-up and tests that destroy, in a file that takes the deployment's variable and no test's."""
    if not is_test(code) or code.language not in ("python", "typescript", "javascript"):
        return
    source = code.source.decode("utf-8", "replace")
    if _NAMES_TEST.search(source) or not _NAMES_DEPLOYED.search(source):
        return
    named = {str(facts.test.db_port), facts.test.database}
    if any(word in source for word in named):
        return
    for call in code.calls:
        if call.last in _CALLS:
            yield _hit(call.place, call.name)
    for text in code.texts:
        if any(_SQL.match(v) for v in text.values) and text.use.call:
            yield _hit(text.place, text.values[0].strip()[:80])


def _hit(place: Place, text: str) -> Hit:
    return Hit(
        place=place,
        text=text,
        message="tests destroy what DATABASE_URL names; in a deployment's directory that is production",
        fix="connect with TEST_DATABASE_URL, and fail when it is not set",
    )


RULE = Rule(
    name="destructive-setup",
    severity="critical",
    summary="test set-up empties the database that the deployment's variable names",
    why="a pytest fixture with drop_all, run where the deployment's .env lies, emptied it",
    check=check,
)
