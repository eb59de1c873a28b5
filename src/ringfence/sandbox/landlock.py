"""Landlock: rules that a process lays upon itself and its children for good, without any privilege.

Standard library only, because it runs inside a sandbox (see `entrance`). The numbers are those of linux/landlock.h and
landlock(7). Measured on Linux 6.18: TCP rules alone are no boundary (MPTCP and TCP fast open pass), which is why
`seccomp` always comes with them; pathname sockets are not covered by any version known here.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_CONNECT_TCP = 2
_SCOPES = 3  # abstract sockets and signals
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ = _EXECUTE | _READ_FILE | _READ_DIR

TCP_ABI, SCOPE_ABI = 4, 6


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What remains allowed. None leaves a kind alone; an empty tuple allows nothing of it.

    In the directories of ``names`` and below them names can be listed, and nothing else.
    """

    tcp_connect: tuple[int, ...] | None = None
    names: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()

    @property
    def has_files(self) -> bool:
        """Whether files are limited at all."""
        return bool(self.read or self.write)


class _RulesetAttribute(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _NetPort(ctypes.Structure):
    _fields_ = (("access", ctypes.c_uint64), ("port", ctypes.c_uint64))


def abi() -> int:
    """The kernel's version of Landlock; 0 where there is none, or it is switched off."""
    try:
        return _syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict(rules: Rules) -> None:
    """Limit this process and everything it starts. Raises OSError where the kernel cannot do what is asked.

    Signals and abstract sockets are kept inside where the kernel can (ABI 6); the probes say whether it did.
    """
    version = abi()
    if version == 0:
        raise OSError(errno.EOPNOTSUPP, "this kernel has no Landlock, or it is switched off")
    if rules.tcp_connect is not None and version < TCP_ABI:
        raise OSError(errno.EOPNOTSUPP, f"Landlock ABI {version} has no TCP rules (Linux 6.7 has)")
    handled = _handled_files(version) if rules.has_files else 0
    attribute = _RulesetAttribute(
        handled, 0 if rules.tcp_connect is None else _CONNECT_TCP, _SCOPES if version >= SCOPE_ABI else 0
    )
    size = 8 if version < TCP_ABI else 16 if version < SCOPE_ABI else 24
    ruleset = _syscall(_CREATE_RULESET, ctypes.byref(attribute), size, 0)
    try:
        _allow_paths(ruleset, rules.names, _READ_DIR & handled)
        _allow_paths(ruleset, rules.read, _READ & handled)
        _allow_paths(ruleset, rules.write, handled)
        for port in rules.tcp_connect or ():
            _syscall(_ADD_RULE, ruleset, _NET_PORT, ctypes.byref(_NetPort(_CONNECT_TCP, port)), 0)
        no_new_privileges()
        _syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def no_new_privileges() -> None:
    """No set-user-id program gives this process more than it has; needed before either filter."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot give up new privileges")


def _handled_files(version: int) -> int:
    """Every right on files that this version knows."""
    bits = 13 if version < 2 else 14 if version < 3 else 15 if version < 5 else 16
    return (1 << bits) - 1


def _allow_paths(ruleset: int, paths: Iterable[str], access: int) -> None:
    for path in paths:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there, or out of reach, needs no permission
        try:
            right = access if os.path.isdir(path) else access & _OF_FILES
            if right:
                _syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(_PathBeneath(right, descriptor)), 0)
        finally:
            os.close(descriptor)


def _syscall(number: int, *words: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    done = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(w) if isinstance(w, int) else w for w in words))
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(done)
