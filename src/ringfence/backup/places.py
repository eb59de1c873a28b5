"""Where a mirror can be: another directory, or a bucket that speaks S3. One contract, whole objects by name."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ringfence import files
from ringfence.errors import BackupError

_CHUNK_BYTES = 1 << 20


class Place(Protocol):
    """Objects by plain names. An object is there whole or not at all. Everything raises BackupError (5)."""

    def names(self) -> Mapping[str, int]:
        """Every object with its size in bytes."""

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write an object, in place of one of that name."""

    def read(self, name: str) -> Iterator[bytes]:
        """An object's bytes, in pieces."""

    def remove(self, name: str) -> None:
        """Remove an object; nothing happens where it is not there."""


@dataclass(frozen=True, kw_only=True)
class DirectoryPlace:
    """A directory elsewhere: another disk, a network file system."""

    path: Path

    def names(self) -> Mapping[str, int]:
        with _as_backup_error(str(self.path)):
            if not self.path.is_dir():
                return {}
            return {e.name: e.stat().st_size for e in os.scandir(self.path) if e.is_file(follow_symlinks=False)}

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        with _as_backup_error(str(self.path / name)):
            files.ensure_private_directory(self.path)
            staged = self.path / f".{name[:180]}.{secrets.token_hex(4)}.partial"
            try:
                descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    for chunk in chunks:
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(staged, self.path / name)
                files.fsync_directory(self.path)
            finally:
                staged.unlink(missing_ok=True)

    def read(self, name: str) -> Iterator[bytes]:
        with _as_backup_error(str(self.path / name)):
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk

    def remove(self, name: str) -> None:
        with _as_backup_error(str(self.path / name)), contextlib.suppress(FileNotFoundError):
            os.unlink(self.path / name)


@dataclass(frozen=True, kw_only=True)
class BucketPlace:
    """A bucket, with a prefix inside it. Credentials are those that boto3 finds: environment, ``~/.aws``, role."""

    bucket: str
    prefix: str
    endpoint: str | None
    _clients: list[Any] = field(default_factory=list, repr=False, compare=False)

    def names(self) -> Mapping[str, int]:
        with _as_backup_error(f"s3://{self.bucket}/{self.prefix}"):
            pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
            found = [o for page in pages for o in page.get("Contents", ())]
            return {str(o["Key"]).removeprefix(self.prefix): int(o["Size"]) for o in found}

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        with _as_backup_error(f"s3://{self.bucket}/{self.prefix}{name}"):
            self._client().upload_fileobj(_Readable(iter(chunks)), self.bucket, self.prefix + name)

    def read(self, name: str) -> Iterator[bytes]:
        with _as_backup_error(f"s3://{self.bucket}/{self.prefix}{name}"):
            body = self._client().get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"]
            yield from body.iter_chunks(_CHUNK_BYTES)

    def remove(self, name: str) -> None:
        with _as_backup_error(f"s3://{self.bucket}/{self.prefix}{name}"):
            self._client().delete_object(Bucket=self.bucket, Key=self.prefix + name)

    def _client(self) -> Any:
        if not self._clients:
            try:
                boto3 = importlib.import_module("boto3")
            except ImportError as error:
                raise BackupError(
                    "a mirror in a bucket needs the package boto3", hint="pip install 'ringfence[s3]'"
                ) from error
            self._clients.append(boto3.client("s3", endpoint_url=self.endpoint))
        return self._clients[0]


class _Readable(io.RawIOBase):
    """Pieces as the file that boto3 wants to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._chunks, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def read(self, size: int = -1) -> bytes:
        # boto3 takes a short read for the end of the file.
        pieces, left = [], size
        while left != 0:
            piece = super().read(left if left > 0 else _CHUNK_BYTES)
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece) if left > 0 else 0
        return b"".join(pieces)


@contextlib.contextmanager
def _as_backup_error(where: str) -> Iterator[None]:
    try:
        yield
    except (BackupError, GeneratorExit, KeyboardInterrupt):
        raise
    except files.FileError as error:
        raise BackupError(f"mirror {where}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise BackupError(f"mirror {where}: {error.strerror or error}") from error
    except Exception as error:
        if not type(error).__module__.startswith(("botocore", "boto3")):
            raise
        raise BackupError(f"mirror {where}: {error}") from error
