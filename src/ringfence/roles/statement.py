"""One statement of a plan: SQL, why, and how to take it back (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from ringfence.redact import MASK
from ringfence.roles.state import Entry

_PASSWORD = re.compile(r"(PASSWORD ).*")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """``undo`` is None where nothing is taken, or no statement gives it back. ``database``: None for the policy's."""

    sql: str
    why: str
    undo: str | None
    secret: bool = False
    database: str | None = None

    @property
    def gives(self) -> bool:
        """Whether it only gives: nobody loses a right by it."""
        made_later = self.sql.startswith("ALTER DEFAULT PRIVILEGES") and " GRANT " in self.sql
        return made_later or self.sql.startswith(("GRANT", "CREATE ROLE", "ALTER ROLE"))

    @property
    def shown(self) -> str:
        """The SQL as a person may see it."""
        return _PASSWORD.sub(rf"\1'{MASK}'", self.sql) if self.secret else self.sql


def identifier(name: str) -> sql.Identifier:
    """A name in quotes."""
    return sql.Identifier(name)


def literal(value: str) -> sql.Literal:
    """A text in quotes."""
    return sql.Literal(value)


def render(template: LiteralString, *parts: sql.Composable) -> str:
    """SQL from a template and parts that quote themselves."""
    return sql.SQL(template).format(*parts).as_string(None)


def revoke(entry: Entry, *, owner: str, on: sql.Composable, why: str, option_only: bool = False) -> Iterator[Statement]:
    """Take an entry away. PostgreSQL only takes back what the same role gave: another grantor has to be taken on."""
    who = sql.SQL("PUBLIC") if entry.grantee is None else identifier(entry.grantee)
    what: sql.Composable = sql.SQL(entry.privilege)
    if entry.column is not None:
        what = sql.SQL("{} ({})").format(what, identifier(entry.column))
    option = sql.SQL("GRANT OPTION FOR ") if option_only else sql.SQL("")
    cascade = sql.SQL(" CASCADE") if entry.grantable else sql.SQL("")
    text = render("REVOKE {}{} ON {} FROM {}{}", option, what, on, who, cascade)
    if entry.grantor != owner:
        text = f"{render('SET LOCAL ROLE {}', identifier(entry.grantor))}; {text}; RESET ROLE"
    again = sql.SQL(" WITH GRANT OPTION") if entry.grantable else sql.SQL("")
    yield Statement(sql=text, why=why, undo=render("GRANT {} ON {} TO {}{}", what, on, who, again))
