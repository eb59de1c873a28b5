"""SQL lives in ``.sql`` files beside the room that uses it; this reads them."""

from __future__ import annotations

from functools import cache
from importlib import resources

from psycopg import sql


@cache
def load(package: str, name: str) -> sql.SQL:
    """The query ``name`` of the room ``package`` (``ringfence.postgres``), from its folder ``sql``."""
    text = resources.files(package).joinpath("sql").joinpath(f"{name}.sql").read_text("utf-8")
    return sql.SQL(text)


@cache
def names(package: str, folder: str) -> tuple[str, ...]:
    """The names of all queries in ``sql/<folder>`` of a room, as `load` takes them, sorted."""
    directory = resources.files(package).joinpath("sql").joinpath(folder)
    return tuple(sorted(f"{folder}/{f.name[:-4]}" for f in directory.iterdir() if f.name.endswith(".sql")))
