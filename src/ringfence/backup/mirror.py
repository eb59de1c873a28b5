"""The second place of backups: the same dumps, manifests and seals, elsewhere, encrypted where there is a key.

The manifest is written last and removed first, as in the first place: a dump without one is not a backup. What is read
back is believed by its seal and its SHA-256, never by where it came from.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ringfence.backup import ciphertext, model, seal
from ringfence.backup.formats.choice import format_of
from ringfence.backup.model import Entry, Manifest
from ringfence.backup.places import Place
from ringfence.backup.store import MANIFEST_SUFFIX
from ringfence.errors import BackupError

_ENCRYPTED = ".enc"
_CHUNK_BYTES = 1 << 20
_MANIFEST_LIMIT_BYTES = 512 << 20


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """``key`` encrypts, None leaves files as they are; ``seal_key`` is the one that manifests are sealed with."""

    place: Place
    seal_key: bytes = field(repr=False)
    key: bytes | None = field(repr=False)

    def ids(self) -> tuple[str, ...]:
        """The backups that are there with both files."""
        names = self.place.names()
        found = (
            n.removesuffix(self._ending(MANIFEST_SUFFIX)) for n in names if n.endswith(self._ending(MANIFEST_SUFFIX))
        )
        return tuple(sorted(i for i in found if model.is_plain_name(i) and self._object(f"{i}.dump") in names))

    def push(self, entries: Iterable[Entry]) -> tuple[str, ...]:
        """Copy the sound backups that are not there yet; their ids."""
        there = set(self.ids())
        pushed = []
        for entry in entries:
            if entry.problem is not None or entry.id in there or entry.manifest is None or entry.dump_path is None:
                continue
            self._put(f"{entry.id}.dump", format_of(entry.manifest).read(entry.dump_path, entry.manifest))
            self._put(f"{entry.id}{MANIFEST_SUFFIX}", _read(entry.manifest_path))
            pushed.append(entry.id)
        return tuple(pushed)

    def forget(self, names: Collection[str]) -> None:
        """Remove backups that rotation removed in the first place; the manifest goes first."""
        for name in names:
            for file in (f"{name}{MANIFEST_SUFFIX}", f"{name}.dump"):
                self.place.remove(self._object(file))

    def fetch(self, name: str, into: Path) -> tuple[Manifest, bytes]:
        """Bring a dump back to a path that is free; its manifest and the manifest's bytes are returned.

        Raises BackupError (5) for a backup that is not there, whose seal is not valid, or whose dump is not the one
        that the manifest describes.
        """
        if name not in self.ids():
            raise BackupError(f"the mirror has no backup {name}")
        data = b"".join(_bounded(self._get(f"{name}{MANIFEST_SUFFIX}"), name))
        if seal.state(data, self.seal_key) != "valid":
            raise BackupError(f"the manifest of {name} in the mirror has no valid seal of this project")
        manifest = model.decode(data, name=f"{name}{MANIFEST_SUFFIX}")
        if manifest.id != name or manifest.file != f"{name}.dump":
            raise BackupError(f"the manifest of {name} in the mirror is that of {manifest.id}")
        try:
            format_of(manifest).write(self._get(f"{name}.dump"), into, manifest)
        except OSError as error:
            raise BackupError(f"cannot write {into}: {error.strerror or error}") from error
        return manifest, data

    def _ending(self, ending: str) -> str:
        return ending + (_ENCRYPTED if self.key is not None else "")

    def _object(self, file: str) -> str:
        return self._ending(file)

    def _put(self, file: str, chunks: Iterable[bytes]) -> None:
        name = self._object(file)
        self.place.put(name, chunks if self.key is None else ciphertext.encrypted(chunks, self.key, name=file))

    def _get(self, file: str) -> Iterator[bytes]:
        chunks = self.place.read(self._object(file))
        return chunks if self.key is None else ciphertext.decrypted(chunks, self.key, name=file)


def _read(path: Path) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _bounded(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > _MANIFEST_LIMIT_BYTES:
            raise BackupError(f"the manifest of {name} in the mirror is larger than any manifest")
        yield chunk
