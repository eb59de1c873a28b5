"""Files under ``.agents/`` in the work tree, where agents can write too.

A directory may have been replaced by a symbolic link to the backups, a file by a named pipe that never answers. So
every directory is entered one name at a time without following links, and everything in it is reached through its
descriptor, never again through its path.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ringfence.errors import AgentError

_MOST_READ_BYTES = 64 << 20


@contextlib.contextmanager
def directory(worktree: Path, names: Sequence[str]) -> Iterator[int]:
    """A descriptor of ``worktree/names[0]/names[1]/…``; what is missing is made. Raises `AgentError` for a link."""
    descriptor = os.open(worktree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=descriptor)
            inner = _enter(name, descriptor, worktree.joinpath(*names))
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _enter(name: str, parent: int, path: Path) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            raise
        raise AgentError(
            f"{path}: {name!r} is a symbolic link or not a directory",
            hint="remove it; an agent may have put it there to have files written elsewhere",
        ) from None


def exists(name: str, parent: int) -> bool:
    """Whether anything has that name, a dangling link too."""
    try:
        os.lstat(name, dir_fd=parent)
    except FileNotFoundError:
        return False
    return True


def create(name: str, parent: int) -> int:
    """Open a new file for appending and reading; FileExistsError where anything has that name."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o644, dir_fd=parent)


def set_aside(stem: str, suffix: str, parent: int) -> str | None:
    """Rename what stands at ``stem+suffix``, whatever it is, to ``stem.1suffix``, ``stem.2suffix`` …, the first free.

    Returns the new name, or None where there was nothing.
    """
    name = stem + suffix
    if not exists(name, parent):
        return None
    number = 1
    while exists(f"{stem}.{number}{suffix}", parent):
        number += 1
    os.rename(name, f"{stem}.{number}{suffix}", src_dir_fd=parent, dst_dir_fd=parent)
    return f"{stem}.{number}{suffix}"


def read(name: str, parent: int) -> bytes | None:
    """The content of a plain file; None where nothing has that name.

    Raises ValueError for anything that is not a plain file of a sensible size.
    """
    try:
        # O_NONBLOCK: a named pipe without a writer would make open() wait for ever.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"cannot be opened: {error.strerror}") from error
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise ValueError("is not a plain file")
        if info.st_size > _MOST_READ_BYTES:
            raise ValueError(f"is too large ({info.st_size} bytes)")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(_MOST_READ_BYTES)
    finally:
        os.close(descriptor)


def write_whole(name: str, data: bytes, parent: int) -> None:
    """Put a whole file in place or leave what was there: as `files.write_atomic`, but through a descriptor."""
    staged = f".{name[:200]}.{secrets.token_hex(4)}.partial"
    descriptor = create(staged, parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(staged, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(staged, dir_fd=parent)
        raise
    os.fsync(parent)
