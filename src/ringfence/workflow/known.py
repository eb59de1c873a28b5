"""Which server and database were taken for production, and which server for test: recorded once, asked every time.

A stamp can be copied by whoever is a superuser, and a whole cluster can be put in another's place with everything that
is written in it. What cannot be copied without a trace is that it is the same as last time: the system identifier of
the server and the oid of the database, and of production, whose copies have both, the timeline, how far its WAL was,
and the directory its data lie in. They are kept with the run state, outside the work tree, from the first ``up``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringfence import clock, files
from ringfence.engines.model import EnvironmentName, Place
from ringfence.errors import IdentityError
from ringfence.postgres import identity
from ringfence.postgres.connection import Connection
from ringfence.postgres.identity import Identity
from ringfence.redact import one_line
from ringfence.workflow.project import Project

_SCHEMA = 1
ACCEPT = "--accept-new-identity"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What answers now. ``position`` is how far the WAL is on disk (bytes), ``place`` where the data lie; both None for
    test, whose server is disposable, and where they cannot be seen."""

    identity: Identity
    position: int | None = None
    place: Place | None = None


@dataclass(frozen=True, kw_only=True)
class Known:
    """An environment as it was recorded. ``database_oid`` is None for test, whose database every reseed makes anew;
    what stands behind it is of production alone, and None where it could not be seen."""

    system_identifier: str
    database_oid: int | None
    database: str
    since: dt.datetime
    timeline: int | None = None
    position: int | None = None
    place: Place | None = None

    def describe(self) -> str:
        """``system 7423…, database "x" (oid 16384), known since 2026-11-24T…``"""
        oid = "" if self.database_oid is None else f" (oid {self.database_oid})"
        place = f", in {one_line(self.place.describe())}" if self.place else ""
        return (
            f'system {self.system_identifier}, database "{one_line(self.database)}"{oid}{place}, '
            f"known since {clock.iso(self.since)[:19]}Z"
        )


def look(project: Project, environment: EnvironmentName, connection: Connection, given: Identity | None = None) -> Seen:
    """What answers on this connection, as far as it is recorded. ``given`` is its identity, where that was asked."""
    found = given or identity.read_identity(connection)
    if environment == "test":
        return Seen(identity=found)
    return Seen(
        identity=found,
        position=identity.read_position(connection),
        place=project.engine(environment).place(found),
    )


def of(environment: EnvironmentName, seen: Seen, *, database: str, now: dt.datetime) -> Known:
    """What is to be remembered of a server and its database (pure)."""
    production = environment == "production"
    return Known(
        system_identifier=seen.identity.system_identifier,
        database_oid=seen.identity.database_oid if production else None,
        database=database,
        since=now,
        timeline=seen.identity.timeline if production else None,
        position=seen.position,
        place=seen.place,
    )


def difference(known: Known, seen: Seen) -> str | None:
    """In which way what answers is another database than the one on record; None where it is the same (pure)."""
    here = seen.identity
    if known.database_oid is not None and known.database_oid != here.database_oid and same_system(known, here):
        return f"its database has oid {here.database_oid}; {known.database_oid} is on record"
    return server_difference(known, seen)


def same_system(known: Known, here: Identity) -> bool:
    """Whether the system identifier is the recorded one, which copies and standbys have, too (pure)."""
    return known.system_identifier == here.system_identifier


def server_difference(known: Known, seen: Seen) -> str | None:
    """In which way this is another server than the one on record, or a copy of its files (pure)."""
    here = seen.identity
    if not same_system(known, here):
        return f"its system identifier is {here.system_identifier}; {known.system_identifier} is on record"
    if known.timeline is None:
        return None  # test, or recorded by an earlier version
    if here.in_recovery:
        return "it is a standby; a primary is on record"
    if known.timeline != here.timeline:
        return (
            f"its timeline is {here.timeline}; {known.timeline} is on record: it is a standby that was promoted, or it "
            "was recovered to an earlier state"
        )
    if known.position is not None and seen.position is not None and seen.position < known.position:
        return (
            f"its WAL ends at {_lsn(seen.position)}, and was at {_lsn(known.position)} already: it is an older copy of "
            "the files"
        )
    if known.place is not None and seen.place is None:
        return f"where its data lie cannot be seen; {one_line(known.place.describe())} is on record"
    if known.place is not None and seen.place is not None and not known.place.same(seen.place):
        return (
            f"its data lie in {one_line(seen.place.describe())}; {one_line(known.place.describe())} is on record: it "
            "is a copy of the files, or they were moved"
        )
    return None


def _lsn(position: int) -> str:
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


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


def remember(project: Project, environment: EnvironmentName, seen: Seen) -> Known:
    """Put a database on record as an environment, in place of what was there. Only for what was proven or accepted."""
    new = of(environment, seen, database=project.database(environment), now=clock.utc_now())
    _write(project, environment, new)
    return new


def advance(project: Project, connection: Connection) -> None:
    """Record how far production's WAL is now: from here on every older copy of its files is known for one. Only for a
    connection that was proven to lead to production."""
    recorded, position = read(project).get("production"), identity.read_position(connection)
    if recorded is not None and position is not None and position > (recorded.position or 0):
        _write(project, "production", dataclasses.replace(recorded, position=position))


def _write(project: Project, environment: EnvironmentName, new: Known) -> None:
    with files.lock(project.paths.state_directory / ".identities.lock", purpose="recording an identity", wait_s=10):
        document: dict[str, Any] = {"schema": _SCHEMA}
        document |= {name: _to_json(k) for name, k in ({**read(project), environment: new}).items()}
        files.write_atomic(project.paths.identities, (json.dumps(document, indent=1) + "\n").encode())


def require(environment: EnvironmentName, recorded: Known | None, seen: Seen) -> None:
    """Refuse (7) a database that is not the one on record, or where none is.

    The record must be read before the server is asked: another command may write a later position in between.
    """
    if recorded is None:
        raise unrecorded(environment, seen.identity)
    other = difference(recorded, seen)
    if other is not None:
        raise changed(environment, other)


def unrecorded(environment: EnvironmentName, here: Identity) -> IdentityError:
    """The refusal where nobody ever said what the environment is."""
    return IdentityError(
        f"no identity of {environment} is on record; what answers is {here.describe()}",
        hint=f"'ringfence up {environment}' records it",
    )


def changed(environment: EnvironmentName, how: str) -> IdentityError:
    """The refusal of a database that is another one than it was."""
    return IdentityError(
        f"{environment} is another database than it was: {how}",
        hint=f"find out who put it there. If a person did (a restore, a failover, an upgrade, a move of its data), "
        f"'ringfence up {environment} {ACCEPT}' takes the new one for {environment}",
    )


def _to_json(known: Known) -> dict[str, Any]:
    return {
        "system_identifier": known.system_identifier,
        "database_oid": known.database_oid,
        "database": known.database,
        "since": clock.iso(known.since),
        "timeline": known.timeline,
        "position": known.position,
        "place": None if known.place is None else dataclasses.asdict(known.place),
    }


def _from_json(document: Mapping[str, Any]) -> Known:
    system, oid, database = document["system_identifier"], document["database_oid"], document["database"]
    if not (isinstance(system, str) and system.isdigit() and isinstance(database, str)):
        raise ValueError("an identity is not what it must be")
    place = document.get("place")
    return Known(
        system_identifier=system,
        database_oid=_number(document, "database_oid") if oid is not None else None,
        database=database,
        since=clock.parse_iso(document["since"]),
        timeline=_number(document, "timeline"),
        position=_number(document, "position"),
        place=None
        if place is None
        else Place(name=_text(place, "name"), device=_number(place, "device"), inode=_number(place, "inode")),
    )


def _number(document: Mapping[str, Any], key: str) -> int | None:
    value = document.get(key)
    if value is not None and not (type(value) is int and value > 0):
        raise ValueError(f"{key} {value!r}")
    return value


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} {value!r}")
    return value
