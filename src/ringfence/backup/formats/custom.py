"""One file, pg_dump's custom format: written by one session, restored by as many as wanted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ringfence import files
from ringfence.backup.formats.contract import Measured, OnBytes
from ringfence.backup.model import FormatName, Manifest
from ringfence.errors import BackupError

_CHUNK_BYTES = 1 << 20
_OTHER_DIGEST = "its SHA-256 is not the one in its manifest"


@dataclass(frozen=True, kw_only=True)
class CustomFormat:
    """The digest in the manifest is the file's own."""

    name: FormatName = "custom"
    one_stream: bool = True

    def dump_options(self, jobs: int) -> tuple[str, ...]:
        return ("--format=custom",)

    def size_so_far(self, path: Path) -> int:
        return path.stat().st_size if path.exists() else 0

    def settle(self, path: Path) -> None:
        path.chmod(0o600)
        files.fsync_file(path)

    def measure(self, path: Path) -> Measured:
        return Measured(size_bytes=path.stat().st_size, sha256=files.sha256_file(path), parts=())

    def look(self, path: Path, manifest: Manifest) -> str | None:
        try:
            info = os.lstat(path)
        except FileNotFoundError:
            return "its dump is gone"
        if not stat.S_ISREG(info.st_mode):
            return "its dump is no regular file"
        if info.st_size != manifest.size_bytes:
            return f"its dump has {info.st_size} bytes, the manifest says {manifest.size_bytes}"
        return None

    def damage(self, path: Path, manifest: Manifest, on_bytes: OnBytes | None = None) -> str | None:
        return self.look(path, manifest) or (
            None if files.sha256_file(path, on_bytes) == manifest.sha256 else _OTHER_DIGEST
        )

    def is_of(self, path: Path, manifest: Manifest) -> bool:
        return self.damage(path, manifest) is None

    def publish(self, staged: Path, path: Path) -> None:
        files.publish(staged, path)

    def remove(self, path: Path, manifest: Manifest) -> None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

    def read(self, path: Path, manifest: Manifest) -> Iterator[bytes]:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            yield from _checked(iter(lambda: file.read(_CHUNK_BYTES), b""), manifest)

    def write(self, chunks: Iterable[bytes], into: Path, manifest: Manifest) -> None:
        descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for chunk in _checked(chunks, manifest):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())


def _checked(chunks: Iterable[bytes], manifest: Manifest) -> Iterator[bytes]:
    """The chunks as they pass by; an error at the end where they are not the dump of the manifest."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if digest.hexdigest() != manifest.sha256:
        raise BackupError(
            f"dump {manifest.file} is damaged: {files.bytes_text(size)} whose SHA-256 is not the one in its manifest"
        )
