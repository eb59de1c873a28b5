"""A database's own properties, out of the state in a baseline (pure)."""

from __future__ import annotations

import re

from ringfence.errors import RestoreError
from ringfence.integrity.model import State
from ringfence.postgres.properties import Grant, Properties, Setting
from ringfence.redact import one_line

_NAME = r'"(?:[^"]|"")*"|[^":\s]+'
_RIGHT = re.compile(rf"(?P<grantee>{_NAME}):(?P<privilege>[A-Z]+)(?P<grantable>\*?) by (?P<grantor>{_NAME})")
_SETTING = re.compile(rf"(?:role (?P<role>{_NAME}) in )?database (?P<database>{_NAME}): (?P<name>.+)", re.S)
_STAMP = "ringfence."


def properties_of(state: State, database: str) -> Properties:
    """What a state says of one database itself; stamps are left out. Raises RestoreError (6) where it says nothing."""
    found = {plain_name(name): attributes for name, attributes in state.get("cluster-database", {}).items() if name}
    if database not in found:
        raise RestoreError(f"the baseline says nothing about the database {one_line(database)!r} itself")
    attributes = found[database]
    comments = state.get("cluster-comment", {})
    comment = next((c["text"] for name, c in comments.items() if _is_comment_on(name, database)), None)
    return Properties(
        owner=plain_name(attributes["owner"]),
        grants=tuple(sorted(_grant(text) for text in attributes.get("acl", ()))),
        connection_limit=attributes.get("datconnlimit", -1),
        settings=tuple(sorted(_settings(state, database))),
        comment=comment,
    )


def unexpected(wanted: Properties, found: Properties) -> tuple[str, ...]:
    """How a database's properties differ from those it was to get, one sentence each."""
    told = []
    for label in ("owner", "connection_limit", "comment"):
        was, now = getattr(wanted, label), getattr(found, label)
        if was != now:
            told.append(f"{label.replace('_', ' ')} is {one_line(str(now))}, was {one_line(str(was))}")
    old: set[Grant | Setting] = {*wanted.grants, *wanted.settings}
    new: set[Grant | Setting] = {*found.grants, *found.settings}
    told += sorted(f"missing {_told(one)}" for one in old - new)
    told += sorted(f"unexpected {_told(one)}" for one in new - old)
    return tuple(told)


def _told(one: Grant | Setting) -> str:
    if isinstance(one, Grant):
        return f"right {one.privilege} of {one_line(one.grantee) or 'PUBLIC'}"
    return f"setting {one_line(one.name)}{f' of role {one_line(one.role)}' if one.role else ''}"


def _settings(state: State, database: str) -> list[Setting]:
    found = []
    for text, attributes in state.get("cluster-role-setting", {}).items():
        match = _SETTING.fullmatch(text)
        if match is None or plain_name(match["database"]) != database or match["name"].startswith(_STAMP):
            continue
        # `tidy` leaves out what is empty: an absent value is the empty one.
        role = plain_name(match["role"]) if match["role"] else ""
        found.append(Setting(role=role, name=match["name"], value=attributes.get("value", "")))
    return found


def _grant(text: str) -> Grant:
    match = _RIGHT.fullmatch(text)
    if match is None:
        raise RestoreError(f"the baseline names a right on the database that is none: {one_line(text)!r}")
    return Grant(
        grantee="" if match["grantee"] == "PUBLIC" else plain_name(match["grantee"]),
        privilege=match["privilege"],
        grantable=bool(match["grantable"]),
        grantor=plain_name(match["grantor"]),
    )


def _is_comment_on(name: str, database: str) -> bool:
    kind, _, quoted = name.partition(" ")
    return kind == "database" and plain_name(quoted) == database


def plain_name(quoted: str) -> str:
    """The name behind what ``quote_ident`` made of it."""
    return quoted[1:-1].replace('""', '"') if quoted.startswith('"') else quoted
