"""Files that are either whole or not there: staging, fsync, rename; private directories; locks; digests."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from ringfence import clock
from ringfence.errors import BusyError, RingfenceError

_CHUNK_BYTES = 1 << 20
_LOOK_S = 0.2
"""`is_locked` has the lock itself for a moment; a lock that is only looked at is free again long before this."""


class FileError(RingfenceError):
    """A file or directory is not what it must be. Callers turn it into their own error where they have a better one."""

    exit_code = 2


def ensure_private_directory(path: Path) -> Path:
    """Make a directory that only its owner can enter (0700), or check that an existing one is such a directory.

    A symbolic link in its place is refused: an agent that can write beside it could point it anywhere. A directory
    that others can enter is closed to them. Missing parents are made with the same mode. Raises `FileError`.
    """
    missing = [p for p in (path, *path.parents) if not p.exists() and not p.is_symlink()]
    for part in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, 0o700)
    info = os.lstat(path)
    if stat.S_ISLNK(info.st_mode):
        raise FileError(
            f"{path} is a symbolic link",
            hint="remove the link; the tool follows none, because what made it may want the data elsewhere",
        )
    if not stat.S_ISDIR(info.st_mode):
        raise FileError(f"{path} is not a directory", hint="move it away; a directory is needed in its place")
    if info.st_uid != os.geteuid():
        raise FileError(f"{path} belongs to user id {info.st_uid}, not to {os.geteuid()}")
    if stat.S_IMODE(info.st_mode) & 0o077:
        os.chmod(path, 0o700)
    return path


def fsync_directory(path: Path) -> None:
    """Make renames and new names in a directory survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_file(path: Path) -> None:
    """Make the content of a file survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put a whole file in place or leave what was there: temporary file, fsync, rename, fsync of the directory."""
    staged = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.partial")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(staged, mode)
        os.rename(staged, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(staged)
        raise
    fsync_directory(path.parent)


def publish(staged: Path, path: Path) -> None:
    """Rename a finished, fsynced file to a name that is free; FileExistsError where something has that name.

    ``link`` and ``unlink`` instead of ``rename``: a rename would replace what stands there without a word.
    """
    os.link(staged, path, follow_symlinks=False)
    os.unlink(staged)
    fsync_directory(path.parent)


def publish_directory(staged: Path, path: Path) -> None:
    """Rename a finished, fsynced directory to a name that is free; FileExistsError where something has that name.

    There are no hard links to directories. What could come between the look and the rename is replaced only where it
    is an empty directory: the kernel refuses anything else.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    os.rename(staged, path)
    fsync_directory(path.parent)


def sha256_file(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """The SHA-256 of a file as 64 hex digits; symbolic links are not followed. ``on_bytes`` gets each chunk's size."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        buffer = memoryview(bytearray(_CHUNK_BYTES))
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            if on_bytes:
                on_bytes(count)
    return digest.hexdigest()


def free_bytes(path: Path) -> int:
    """Free space, for an ordinary user, on the file system that holds ``path``."""
    return shutil.disk_usage(path).free


def bytes_text(count: int) -> str:
    """``512 B``, ``3.4 kB``, ``35.1 MB``, ``6.0 GB``: a size for people, in powers of 1000."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if round(value, 1) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


@contextlib.contextmanager
def lock(path: Path, *, purpose: str, wait_s: float = 0) -> Iterator[None]:
    """Hold an exclusive lock for as long as the block runs; `BusyError` when another has it for ``wait_s`` or longer.

    The lock is the kernel's (flock), so a holder that died does not block. The file names the holder for the message.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        deadline = clock.monotonic_s() + max(wait_s, _LOOK_S)
        while not _try_lock(file.fileno()):
            if clock.monotonic_s() >= deadline:
                raise BusyError(
                    f"another process is doing this already: {holder(path) or 'holder unknown'}",
                    hint="wait for it to end, or look at it with 'ringfence status'",
                )
            clock.pause(0.02)
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "purpose": purpose}).encode())
        try:
            yield
        finally:
            file.truncate(0)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def holder(path: Path) -> str | None:
    """Who wrote the lock file last, as ``process 4711, run 2026…``; None where it says nothing."""
    try:
        said = json.loads(path.read_bytes())
        return f"process {int(said['pid'])}, {said['purpose']}"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock at this moment."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)
