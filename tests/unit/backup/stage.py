"""Backups without a server: a store in a directory of the test, and dumps that are a few bytes."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.backup.formats.choice import CUSTOM, FORMATS
from ringfence.backup.formats.contract import Format, Measured
from ringfence.backup.model import Entry, FormatName, Manifest, Part, digest_of_parts
from ringfence.backup.store import BackupStore

KEY = b"k" * 32
START = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """``store`` is the real thing; `make` goes the way that a backup goes, from staging to its names."""

    store: BackupStore
    form: Format = CUSTOM

    @classmethod
    def at(cls, path: Path, key: bytes = KEY, form: FormatName = "custom") -> Stage:
        store = BackupStore(directory=path / "backups", copies=path / "state" / "manifests", key=key)
        return cls(store=store, form=FORMATS[form])

    def write_dump(self, path: Path, data: bytes) -> None:
        """What pg_dump would leave: readable for others, not synced."""
        if self.form.name == "custom":
            path.write_bytes(data)
            return
        path.mkdir()
        for name, content in _files(data).items():
            (path / name).write_bytes(content)

    def measured(self, data: bytes) -> Measured:
        """What such a dump must measure, worked out without a file."""
        if self.form.name == "custom":
            return Measured(size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), parts=())
        parts = tuple(
            Part(name=n, size_bytes=len(c), sha256=hashlib.sha256(c).hexdigest())
            for n, c in sorted(_files(data).items())
        )
        return Measured(size_bytes=sum(p.size_bytes for p in parts), sha256=digest_of_parts(parts), parts=parts)

    def manifest(self, name: str, data: bytes, **changes: Any) -> Manifest:
        measured = self.measured(data)
        sequence = changes.pop("sequence", None)
        fields: dict[str, Any] = {
            "id": name,
            "sequence": self.store.next_sequence() if sequence is None else sequence,
            "project": "p",
            "database": "d",
            "issue": None,
            "created_at": START,
            "file": f"{name}.dump",
            "size_bytes": measured.size_bytes,
            "sha256": measured.sha256,
            "format": self.form.name,
            "parts": measured.parts,
            "server_version": "18.4",
            "server_version_num": 180004,
            "program_version": "18.4",
            "baseline": {"tables": []},
        }
        return Manifest(**(fields | changes))

    def publish(self, name: str, data: bytes = b"dump", **changes: Any) -> Entry:
        """One backup; the store is being written already."""
        with self.store.staging() as place:
            staged = place / "dump"
            self.write_dump(staged, data)
            self.form.settle(staged)
            return self.store.publish(staged, self.manifest(name, data, **changes))

    def make(self, *names: str, keep: int | None = None) -> tuple[str, ...]:
        """Backups, each with the rotation that follows. Returns what rotation removed."""
        removed: tuple[str, ...] = ()
        for name in names:
            with self.store.writing():
                self.publish(name, f"dump {name}".encode())
                if keep is not None:
                    removed += self.store.rotate(keep=keep).remove
        return removed

    def problems(self) -> dict[str, str | None]:
        """Every backup and what is wrong with it, newest first."""
        return {e.id: e.problem for e in self.store.entries()}

    def dump(self, name: str) -> Path:
        return self.store.directory / f"{name}.dump"

    def manifest_file(self, name: str) -> Path:
        return self.store.directory / f"{name}.manifest.json"

    def copy(self, name: str) -> Path:
        return self.store.copies / f"{name}.manifest.json"

    def names(self) -> list[str]:
        """Everything in the backup directory but its lock."""
        return sorted(p.name for p in self.store.directory.iterdir() if p.name != ".lock")


def _files(data: bytes) -> dict[str, bytes]:
    """A directory dump of these bytes."""
    return {"toc.dat": b"toc of " + data, "11.dat": data, "2.dat.gz": b""}
