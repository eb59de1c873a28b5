"""A backup is a ``.dump`` (a file or a directory) and its manifest. A dump without a manifest is not a backup."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ringfence import clock
from ringfence.backup.marks import NONE, Marks
from ringfence.errors import BackupError

SCHEMA = 1
NO_ISSUE = "manual"
_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "id": str,
    "sequence": int,
    "project": str,
    "database": str,
    "issue": (str, type(None)),
    "created_at": str,
    "file": str,
    "size_bytes": int,
    "sha256": str,
    "server_version": str,
    "server_version_num": int,
    "program_version": str,
    "baseline": dict,
}
_OPTIONAL: Mapping[str, Any] = {"purpose": "regular", "database_bytes": 0, "format": "custom", "parts": ()}
"""Fields that older manifests lack, with what their absence means."""

Purpose = Literal["regular", "damaged"]
FormatName = Literal["custom", "directory"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file of a dump that is a directory."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything known about one backup. ``baseline`` belongs to the room integrity and is carried as it is.

    ``sequence`` orders backups: a clock can go back, a number that only grows cannot. ``size_bytes`` and ``sha256`` are
    of the dump, ``file`` is its name without a directory. ``format`` says whether it is a file or a directory, whose
    files are ``parts`` in the order of their names; ``size_bytes`` is then their sum and ``sha256`` that of the list.
    ``purpose`` is ``damaged`` for one that was taken of production before a restore: it is evidence and never chosen by
    itself. ``database_bytes`` is the database's size on its server, 0 where that is not known.
    """

    id: str
    sequence: int
    project: str
    database: str
    issue: str | None
    created_at: dt.datetime
    file: str
    size_bytes: int
    sha256: str
    server_version: str
    server_version_num: int
    program_version: str
    baseline: Mapping[str, Any]
    purpose: Purpose = "regular"
    database_bytes: int = 0
    format: FormatName = "custom"
    parts: tuple[Part, ...] = ()

    @property
    def reader_version_num(self) -> int:
        """The version that programs must have at least to read the dump: the server's, or that of the pg_dump that
        wrote it, which may have been newer."""
        return max(self.server_version_num, int(self.program_version.partition(".")[0]) * 10000)

    def encode(self) -> bytes:
        """The manifest as it stands on disk: JSON, UTF-8, keys in a fixed order."""
        document = {
            "schema": SCHEMA,
            **{n: getattr(self, n) for n in (*_FIELDS, *_OPTIONAL) if n != "baseline"},
            "created_at": clock.iso(self.created_at),
            "parts": [asdict(p) for p in self.parts],
            "baseline": self.baseline,
        }
        return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogatepass")


def decode(data: bytes, *, name: str) -> Manifest:
    """Read a manifest. Raises BackupError (5) naming what is wrong: torn JSON is never "no differences"."""
    try:
        document = json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise BackupError(f"manifest {name} is not readable: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise BackupError(f"manifest {name} is not readable: it holds no object")
    if document.get("schema") != SCHEMA:
        raise BackupError(
            f"manifest {name} has schema {document.get('schema')!r}; this version reads {SCHEMA}",
            hint="it was written by another version of ringfence",
        )
    for field, kind in _FIELDS.items():
        value = document.get(field)
        if field not in document or not isinstance(value, kind) or isinstance(value, bool):
            raise BackupError(f"manifest {name} is damaged: {field!r} is missing or of a wrong type")
        if isinstance(value, int) and value < 0:
            raise BackupError(f"manifest {name} is damaged: {field!r} is negative")
    optional = {n: document.get(n, absent) for n, absent in _OPTIONAL.items()}
    if optional["purpose"] not in get_args(Purpose) or type(optional["database_bytes"]) is not int:
        raise BackupError(f"manifest {name} is damaged: 'purpose' or 'database_bytes' is not what it must be")
    try:
        moment = clock.parse_iso(document["created_at"])
    except ValueError as error:
        raise BackupError(f"manifest {name} is damaged: 'created_at' is no time") from error
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)*", document["program_version"]):
        raise BackupError(f"manifest {name} is damaged: 'program_version' is no version")
    if not re.fullmatch(r"[0-9a-f]{64}", document["sha256"]) or not is_plain_name(document["file"]):
        raise BackupError(f"manifest {name} is damaged: 'sha256' or 'file' is not what it must be")
    optional["parts"] = _parts(optional["parts"], document, name)
    return Manifest(**{n: document[n] for n in _FIELDS if n != "created_at"}, **optional, created_at=moment)


def _parts(listed: Any, document: Mapping[str, Any], name: str) -> tuple[Part, ...]:
    """The files of a directory dump; together they are what the manifest's own digest and size say."""
    form = document.get("format", "custom")
    try:
        parts = tuple(Part(**p) for p in listed)
        sound = isinstance(listed, list | tuple) and all(
            is_plain_name(p.name) and type(p.size_bytes) is int and re.fullmatch(r"[0-9a-f]{64}", p.sha256)
            for p in parts
        )
    except TypeError:
        sound = False
    if form not in get_args(FormatName) or not sound:
        raise BackupError(f"manifest {name} is damaged: 'format' or 'parts' is not what it must be")
    names = [p.name for p in parts]
    described = (document["sha256"], document["size_bytes"])
    if (form == "directory" or parts) and (
        form != "directory"
        or names != sorted(set(names))
        or (digest_of_parts(parts), sum(p.size_bytes for p in parts)) != described
    ):
        raise BackupError(f"manifest {name} is damaged: its 'parts' are not those of its 'sha256'")
    return parts


def digest_of_parts(parts: Sequence[Part]) -> str:
    """One SHA-256 for a directory: that of the list ``sha256sum`` prints of its files in the order of their names."""
    return hashlib.sha256("".join(f"{p.sha256}  {p.name}\n" for p in parts).encode()).hexdigest()


def is_plain_name(name: str) -> bool:
    """Whether a name is one path component of our own making, so that joining it to a directory stays inside."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,250}", name) is not None


def backup_id(database: str, issue: str | None, moment: dt.datetime) -> str:
    """``inventory_backup_7_20261122T101530Z``: the seed's name, safe on any file system.

    The issue has been checked (`[A-Za-z0-9._-]{1,80}`); of a database name only what is safe is kept.
    """
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", database)[:63].lstrip("-") or "database"
    return f"{safe}_backup_{issue or NO_ISSUE}_{clock.compact(moment)}"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A manifest in the backup directory and what is known of the pair without reading the dump.

    ``problem`` is None for a backup that can be used as far as a look can tell; ``manifest`` is None where the file
    could not be read.
    """

    id: str
    manifest: Manifest | None
    manifest_path: Path
    dump_path: Path | None
    problem: str | None
    marks: Marks = NONE

    @property
    def is_proven(self) -> bool:
        """Whether a restore of it was compared with its manifest and found equal."""
        return self.problem is None and self.marks.proven_at is not None

    def failing(self, problem: str) -> Entry:
        """The same entry with a problem."""
        return replace(self, problem=problem)

    @property
    def is_evidence(self) -> bool:
        """Whether it is of a damaged production: kept to look at, never chosen by itself."""
        return self.manifest is not None and self.manifest.purpose == "damaged"

    @property
    def sequence(self) -> int:
        """The order of making; 0 where the manifest cannot be read."""
        return self.manifest.sequence if self.manifest else 0


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A backup that stays, and why."""

    id: str
    reason: str
