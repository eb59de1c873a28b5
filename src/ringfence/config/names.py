"""Names: tables as a person writes them in SQL, and the names that follow from a project's name. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ringfence.redact import one_line, quote_ident

MAX_NAME_BYTES = 63
RESERVED_DATABASES = ("template0", "template1", "postgres")
SEED_PROJECT = "inventory"
DEFAULT_IMAGE = "postgres:18"
SEED_TABLES = ('"Component"', '"SKU"', '"Transaction"')

_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_UNQUOTED = re.compile(r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_FOLD = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True, kw_only=True, order=True)
class TableName:
    """A table as PostgreSQL knows it, after folding. ``schema`` is None where the person did not name one."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        """The name on one line, quoted where SQL needs it."""
        return quote_ident(self.name) if self.schema is None else f"{quote_ident(self.schema)}.{quote_ident(self.name)}"


@dataclass(frozen=True, kw_only=True, order=True)
class ColumnName:
    """Columns that a person named: of one table, or of every table where ``table`` is None."""

    schema: str | None
    table: str | None
    name: str

    def matches(self, schema: str, table: str, column: str) -> bool:
        """Whether a column is meant. Case does not count: a mask that misses a column for its case would be a leak."""
        return all(
            wanted is None or wanted.casefold() == found.casefold()
            for wanted, found in ((self.schema, schema), (self.table, table), (self.name, column))
        )

    def __str__(self) -> str:
        """The name on one line, quoted where SQL needs it."""
        return ".".join(quote_ident(part) for part in (self.schema, self.table, self.name) if part is not None)


@dataclass(frozen=True, kw_only=True)
class ProjectNames:
    """What databases, roles, containers and volumes of a project are called unless the file says otherwise."""

    database: str
    test_database: str
    app_role: str
    admin_role: str
    test_role: str
    production_container: str
    production_volume: str
    test_container: str
    test_volume: str


def parse_table_name(text: str) -> TableName:
    """Read ``film``, ``"Component"``, ``public."SKU"`` or ``"a""b"`` by the rules of SQL.

    Outside quotes A-Z become a-z (PostgreSQL folds only these in a UTF-8 database), inside quotes everything stands for
    itself and two quotes for one. Raises ValueError.
    """
    parts = _parts(text, most=2, what="a schema and a table; the database is named in [production]")
    return TableName(schema=parts[0] if len(parts) == 2 else None, name=parts[-1])


def parse_column_name(text: str) -> ColumnName:
    """Read ``password``, ``"Customer".email`` or ``public."Customer".email``. Raises ValueError.

    The rules are those of `parse_table_name`, but for case: see `ColumnName.matches`.
    """
    parts = _parts(text, most=3, what="a schema, a table and a column")
    schema, table, name = [None] * (3 - len(parts)) + parts
    assert name is not None
    return ColumnName(schema=schema, table=table, name=name)


def _parts(text: str, *, most: int, what: str) -> list[str]:
    parts: list[str] = []
    rest = text.strip()
    if not rest:
        raise ValueError("the name is empty")
    while True:
        part, rest = _take_identifier(rest)
        parts.append(part)
        rest = rest.lstrip()
        if not rest:
            break
        if not rest.startswith("."):
            raise ValueError(f"{rest[:20]!r} is left over after the name; a name like this is written in double quotes")
        rest = rest[1:].lstrip()
        if len(parts) == most:
            raise ValueError(f"more than {what}")
    return parts


def _take_identifier(text: str) -> tuple[str, str]:
    if text.startswith('"'):
        quoted = _QUOTED.match(text)
        if quoted is None:
            raise ValueError("a double quote is not closed")
        name, rest = quoted[1].replace('""', '"'), text[quoted.end() :]
        if not name:
            raise ValueError("a name between double quotes is empty")
    else:
        plain = _UNQUOTED.match(text)
        if plain is None:
            said = f"{text[:20]!r} does not begin a name" if text else "a name is missing after the dot"
            raise ValueError(f"{said}; a name with other characters is written in double quotes")
        name, rest = plain[0].translate(_FOLD), text[plain.end() :]
    return checked_identifier(name), rest


def checked_identifier(name: str) -> str:
    """A name that PostgreSQL stores unchanged: 1 to 63 bytes of UTF-8, no NUL. Raises ValueError."""
    if not name:
        raise ValueError("the name is empty")
    if "\0" in name:
        raise ValueError("a name cannot hold the character NUL")
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > MAX_NAME_BYTES:
        raise ValueError(f"{size} bytes are too long for a name in PostgreSQL, which keeps {MAX_NAME_BYTES}")
    return name


def checked_database(name: str) -> str:
    """A database that the tool may own: not one that every server has. Raises ValueError."""
    if name in RESERVED_DATABASES:
        raise ValueError(f"every server has a database {name}; the project needs one of its own")
    return checked_identifier(name)


def checked_role(name: str) -> str:
    """A role that can be created: not ``pg_…``, which is PostgreSQL's own, and no word of SQL. Raises ValueError."""
    if name.startswith("pg_"):
        raise ValueError("names of roles that begin with pg_ are reserved by PostgreSQL")
    if name in ("public", "none"):
        raise ValueError(f"{name} is a word of SQL and cannot be a role")
    return checked_identifier(name)


def checked_project(name: str) -> str:
    """A project's name: it becomes a directory and a part of file names. Raises ValueError."""
    if not _PROJECT.fullmatch(name):
        raise ValueError(
            f"{one_line(name[:80])!r} is not of the form [a-z0-9][a-z0-9_-]*, at most 63 characters"
            + (f" (did you mean {name.lower()!r}?)" if _PROJECT.fullmatch(name.lower()) else "")
        )
    return name


def names_for(project: str) -> ProjectNames:
    """The names that follow from a project's name; for ``inventory`` they are the seed's.

    In SQL ``-`` becomes ``_``, so that nobody has to quote; a name that PostgreSQL reserves gets ``app_`` in front,
    and a long one is cut so that ``_admin`` still fits into 63 bytes.
    """
    stem = project.replace("-", "_")
    if stem.startswith("pg_") or stem in RESERVED_DATABASES:
        stem = f"app_{stem}"
    stem = stem[: MAX_NAME_BYTES - len("_admin")]
    return ProjectNames(
        database=stem,
        test_database=f"{stem}_test",
        app_role=f"{stem}_app",
        admin_role=f"{stem}_admin",
        test_role=f"{stem}_test",
        production_container=f"{project}-db-prod",
        production_volume=f"{project.replace('-', '_')}_data_prod",
        test_container=f"{project}-db-test",
        test_volume=f"{project.replace('-', '_')}_data_test",
    )
