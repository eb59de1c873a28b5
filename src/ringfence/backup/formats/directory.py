"""A directory with a file per table, pg_dump's directory format: written and restored by several sessions at once.

The manifest lists every file with its size and SHA-256. The one digest of the dump is that of the list, in the form
that ``sha256sum`` prints it, so that a person can check it without this tool: ``LC_ALL=C sha256sum -- * | sha256sum``.

To another place it goes as a tar stream (GNU format, files in the order of their names), which ``tar`` can unpack.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ringfence import files
from ringfence.backup.formats.contract import Measured, OnBytes
from ringfence.backup.model import FormatName, Manifest, Part, digest_of_parts, is_plain_name
from ringfence.errors import BackupError
from ringfence.redact import one_line

_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = tarfile.BLOCKSIZE
_END = b"\0" * (2 * _BLOCK_BYTES)
_NAME_LIMIT = 100
"""What the header of a tar file holds; pg_dump's names have about 20 characters."""
_MOST_NAMED = 5

Kind = Literal["no dump", "missing", "extra", "changed"]


@dataclass(frozen=True, kw_only=True)
class DirectoryFormat:
    """Files directly in one directory, no links, no directories inside."""

    name: FormatName = "directory"
    one_stream: bool = False

    def dump_options(self, jobs: int) -> tuple[str, ...]:
        return ("--format=directory", f"--jobs={jobs}")

    def size_so_far(self, path: Path) -> int:
        size = 0
        with contextlib.suppress(FileNotFoundError), os.scandir(path) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    size += entry.stat(follow_symlinks=False).st_size
        return size

    def settle(self, path: Path) -> None:
        with _opened(path) as directory:
            os.fchmod(directory, 0o700)
            for name in os.listdir(directory):
                with _opened_file(name, directory) as file:
                    os.fchmod(file, 0o600)
                    os.fsync(file)
            os.fsync(directory)

    def measure(self, path: Path) -> Measured:
        parts = []
        with _opened(path) as directory:
            for name in sorted(os.listdir(directory)):
                if not is_plain_name(name) or len(name) > _NAME_LIMIT:
                    raise BackupError(f'backup not made: pg_dump wrote a file called "{one_line(name)}"')
                parts.append(_part(name, directory, None))
        found = tuple(parts)
        return Measured(size_bytes=sum(p.size_bytes for p in found), sha256=digest_of_parts(found), parts=found)

    def look(self, path: Path, manifest: Manifest) -> str | None:
        return _told(_differences(path, manifest, read=False, on_bytes=None))

    def damage(self, path: Path, manifest: Manifest, on_bytes: OnBytes | None = None) -> str | None:
        return _told(_differences(path, manifest, read=True, on_bytes=on_bytes))

    def is_of(self, path: Path, manifest: Manifest) -> bool:
        return all(kind == "missing" for kind, _ in _differences(path, manifest, read=True, on_bytes=None))

    def publish(self, staged: Path, path: Path) -> None:
        files.publish_directory(staged, path)

    def remove(self, path: Path, manifest: Manifest) -> None:
        try:
            with _opened(path) as directory:
                for part in manifest.parts:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(part.name, dir_fd=directory)
        except (FileNotFoundError, NotADirectoryError):
            return
        with contextlib.suppress(OSError):  # somebody else's file is in it: the rest is then reported as foreign
            os.rmdir(path)

    def read(self, path: Path, manifest: Manifest) -> Iterator[bytes]:
        with _opened(path) as directory:
            for part in manifest.parts:
                yield _header(part)
                digest, size = hashlib.sha256(), 0
                with _opened_file(part.name, directory) as file:
                    # One byte more than there should be is enough to see that the file has grown.
                    while chunk := os.read(file, min(_CHUNK_BYTES, part.size_bytes - size + 1)):
                        digest.update(chunk)
                        size += len(chunk)
                        if size > part.size_bytes:
                            break
                        yield chunk
                if (size, digest.hexdigest()) != (part.size_bytes, part.sha256):
                    raise BackupError(f"dump {manifest.file} is damaged: {_changed(part)}")
                yield b"\0" * (-size % _BLOCK_BYTES)
        yield _END

    def write(self, chunks: Iterable[bytes], into: Path, manifest: Manifest) -> None:
        os.mkdir(into, 0o700)
        source = _Source(chunks, manifest)
        with _opened(into) as directory:
            for part in manifest.parts:
                source.expect_header(part)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                with os.fdopen(os.open(part.name, flags, 0o600, dir_fd=directory), "wb") as file:
                    digest = hashlib.sha256()
                    for piece in source.pieces(part.size_bytes):
                        digest.update(piece)
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
                if digest.hexdigest() != part.sha256:
                    raise BackupError(f"dump {manifest.file} is damaged: {_changed(part)}")
                source.expect_zeros(-part.size_bytes % _BLOCK_BYTES)
            source.expect_end()
            os.fsync(directory)


class _Source:
    """The tar stream of one manifest, taken apart by what the manifest says must be in it."""

    def __init__(self, chunks: Iterable[bytes], manifest: Manifest) -> None:
        self._chunks, self._rest, self._manifest = iter(chunks), b"", manifest

    def expect_header(self, part: Part) -> None:
        header = b"".join(self.pieces(_BLOCK_BYTES))
        try:
            found = tarfile.TarInfo.frombuf(header, "ascii", "strict")
        except (tarfile.TarError, ValueError) as error:
            raise self._damaged(f"no file header where {part.name} should begin") from error
        if not found.isreg() or (found.name, found.size) != (part.name, part.size_bytes):
            raise self._damaged(f'"{one_line(found.name)}" where {part.name} should be')

    def pieces(self, count: int) -> Iterator[bytes]:
        while count:
            if not self._rest:
                piece = next(self._chunks, None)
                if piece is None:
                    raise self._damaged("it is cut")
                self._rest = piece
            yield self._rest[:count]
            taken = min(count, len(self._rest))
            self._rest, count = self._rest[taken:], count - taken

    def expect_zeros(self, count: int) -> None:
        if any(any(piece) for piece in self.pieces(count)):
            raise self._damaged("there is something between two files")

    def expect_end(self) -> None:
        self.expect_zeros(len(_END))
        # To the very end: only there is a cipher satisfied.
        if self._rest or any(self._chunks):
            raise self._damaged("there is something after its end")

    def _damaged(self, what: str) -> BackupError:
        return BackupError(f"dump {self._manifest.file} is damaged: {what}")


def _differences(path: Path, manifest: Manifest, *, read: bool, on_bytes: OnBytes | None) -> list[tuple[Kind, str]]:
    """Everything in which a directory is not what its manifest lists, in the order of names."""
    found: list[tuple[Kind, str]] = []
    try:
        with _opened(path) as directory:
            names, listed = set(os.listdir(directory)), {p.name: p for p in manifest.parts}
            for name in sorted(names | listed.keys(), key=os.fsencode):
                if name not in listed:
                    found.append(("extra", f'it holds "{one_line(name)}", which its manifest does not list'))
                elif name not in names:
                    found.append(("missing", f"{name} is gone"))
                else:
                    wrong = _wrong_with(listed[name], directory, read=read, on_bytes=on_bytes)
                    found += [("changed", wrong)] if wrong else []
    except FileNotFoundError:
        return [("no dump", "its dump is gone")]
    except NotADirectoryError:
        return [("no dump", "its dump is no directory")]
    return found


def _wrong_with(part: Part, directory: int, *, read: bool, on_bytes: OnBytes | None) -> str | None:
    info = os.stat(part.name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISREG(info.st_mode):
        return f"{part.name} is no regular file"
    if info.st_size != part.size_bytes:
        return f"{part.name} has {info.st_size} bytes, the manifest says {part.size_bytes}"
    if read and _part(part.name, directory, on_bytes) != part:
        return _changed(part)
    return None


def _changed(part: Part) -> str:
    return f"the SHA-256 of {part.name} is not the one in its manifest"


def _told(differences: list[tuple[Kind, str]]) -> str | None:
    if not differences:
        return None
    kind, first = differences[0]
    if kind == "no dump":
        return first
    named = "; ".join(text for _, text in differences[:_MOST_NAMED])
    rest = len(differences) - _MOST_NAMED
    return f"its dump is not what was written: {named}" + (f"; and {rest} more" if rest > 0 else "")


def _part(name: str, directory: int, on_bytes: OnBytes | None) -> Part:
    digest, size = hashlib.sha256(), 0
    with _opened_file(name, directory) as file:
        while chunk := os.read(file, _CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            if on_bytes:
                on_bytes(len(chunk))
    return Part(name=name, size_bytes=size, sha256=digest.hexdigest())


def _header(part: Part) -> bytes:
    info = tarfile.TarInfo(part.name)
    info.size, info.mode = part.size_bytes, 0o600
    return info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A directory itself, never what a link leads to (NotADirectoryError)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened_file(name: str, directory: int) -> Iterator[int]:
    """A regular file in an open directory; OSError for a link, BackupError (5) for anything else."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BackupError(f'"{one_line(name)}" in a dump is no regular file')
        yield descriptor
    finally:
        os.close(descriptor)
