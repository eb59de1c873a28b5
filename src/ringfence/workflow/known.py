"""Which server and database were taken for production, and which server for test: recorded once, asked every time.

A stamp can be copied by whoever is a superuser, and a whole cluster can be put in another's place with everything that
is written in it. What cannot be copied without a trace is that it is the same as last time: the system identifier of
the server and the oid of the database. They are kept with the run state, outside the work tree, from the first ``up``.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringfence import clock, files
from ringfence.engines.model import EnvironmentName
from ringfence.errors import IdentityError
from ringfence.postgres.identity import Identity
from ringfence.redact import one_line
from ringfence.workflow.project import Project

_SCHEMA = 1
ACCEPT = "--accept-new-identity"


@dataclass(frozen=True, kw_only=True)
class Known:
    """An environment as it was recorded. ``database_oid`` is None for test, whose database every reseed makes anew."""

    system_identifier: str
    database_oid: int | None
    database: str
    since: dt.datetime

    def describe(self) -> str:
        """``system 7423…, database "x" (oid 16384), known since 2026-11-24T…``"""
        oid = "" if self.database_oid is None else f" (oid {self.database_oid})"
        return (
            f'system {self.system_identifier}, database "{one_line(self.database)}"{oid}, '
            f"known since {clock.iso(self.since)[:19]}Z"
        )


def of(environment: EnvironmentName, identity: Identity, *, database: str, now: dt.datetime) -> Known:
    """What is to be remembered of a server and its database (pure)."""
    return Known(
        system_identifier=identity.system_identifier,
        database_oid=identity.database_oid if environment == "production" else None,
        database=database,
        since=now,
    )


def difference(known: Known, seen: Identity) -> str | None:
    """In which way what answers is another database than the one on record; None where it is the same (pure)."""
    if known.system_identifier != seen.system_identifier:
        return f"its system identifier is {seen.system_identifier}; {known.system_identifier} is on record"
    if known.database_oid is not None and known.database_oid != seen.database_oid:
        return f"its database has oid {seen.database_oid}; {known.database_oid} is on record"
    return None


def read(project: Project) -> Mapping[str, Known]:
    """The record by environment; empty before the first ``up``. Raises IdentityError (7) for a damaged one."""
    path = project.paths.identities
    try:
        document = json.loads(path.read_bytes())
        if document["schema"] != _SCHEMA:
            raise ValueError(f"schema {document['schema']!r}")
        return {name: _from_json(document[name]) for name in ("production", "test") if name in document}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IdentityError(
            f"the record of what production and test are cannot be read: {error}",
            hint=f"look at {path} and at who changed it; without the file, 'ringfence up' records both anew",
        ) from error


def remember(project: Project, environment: EnvironmentName, identity: Identity) -> Known:
    """Put a database on record as an environment, in place of what was there. Only for what was proven or accepted."""
    new = of(environment, identity, database=project.database(environment), now=clock.utc_now())
    with files.lock(project.paths.state_directory / ".identities.lock", purpose="recording an identity", wait_s=10):
        document: dict[str, Any] = {"schema": _SCHEMA}
        document |= {name: _to_json(k) for name, k in ({**read(project), environment: new}).items()}
        files.write_atomic(project.paths.identities, (json.dumps(document, indent=1) + "\n").encode())
    return new


def require(project: Project, environment: EnvironmentName, seen: Identity) -> None:
    """Refuse (7) a database that is not the one on record, or where none is."""
    known = read(project).get(environment)
    if known is None:
        raise IdentityError(
            f"no identity of {environment} is on record; what answers is {seen.describe()}",
            hint=f"'ringfence up {environment}' records it",
        )
    other = difference(known, seen)
    if other is not None:
        raise changed(environment, other)


def changed(environment: EnvironmentName, how: str) -> IdentityError:
    """The refusal of a database that is another one than it was."""
    return IdentityError(
        f"{environment} is another database than it was: {how}",
        hint=f"find out who put it there. If a person did (a restore, an upgrade, a move), "
        f"'ringfence up {environment} {ACCEPT}' takes the new one for {environment}",
    )


def _to_json(known: Known) -> dict[str, Any]:
    return {
        "system_identifier": known.system_identifier,
        "database_oid": known.database_oid,
        "database": known.database,
        "since": clock.iso(known.since),
    }


def _from_json(document: Mapping[str, Any]) -> Known:
    system, oid, database = document["system_identifier"], document["database_oid"], document["database"]
    if not (isinstance(system, str) and system.isdigit() and isinstance(database, str)):
        raise ValueError("an identity is not what it must be")
    if not (oid is None or (type(oid) is int and oid > 0)):
        raise ValueError(f"database_oid {oid!r}")
    return Known(
        system_identifier=system, database_oid=oid, database=database, since=clock.parse_iso(document["since"])
    )
