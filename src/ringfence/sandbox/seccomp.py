"""A filter of system calls that closes what namespaces and Landlock leave open. Standard library only.

It forbids: sockets that reach TCP by another name (MPTCP, SMC) or that leave the network namespace (vsock), TCP fast
open (a connection without ``connect``), io_uring (which does all of it unseen), changing mounts and namespaces, the
kernel's key rings (they are not per namespace), typing into the terminal, and foreign system call tables. Where
``unix`` is False also ``socket(AF_UNIX)``: the only way to keep a process from pathname sockets without a mount
namespace. ``socketpair`` stays. Chromium does not start without ``AF_UNIX``.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

from ringfence.sandbox.landlock import no_new_privileges

_LOAD, _EQUAL, _ANY_BIT, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_MSG_FASTOPEN = 0x20000000
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_X32 = 0x40000000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_PROTOCOLS = (0, 1, 6, 17, 58)  # any, ICMP, TCP, UDP, ICMPv6


@dataclass(frozen=True, kw_only=True)
class _Machine:
    audit: int
    socket: int
    sendto: int
    sendmsg: int
    sendmmsg: int
    ioctl: int
    refused: tuple[int, ...]


# Refused by number: mount umount2 pivot_root setns bpf perf_event_open userfaultfd keyctl add_key request_key
# open_by_handle_at kexec_load kexec_file_load init_module finit_module delete_module; then those that have the same
# number everywhere: open_tree move_mount fsopen fsconfig fsmount fspick pidfd_getfd mount_setattr open_tree_attr.
_EVERYWHERE = (428, 429, 430, 431, 432, 433, 438, 442, 467)
_IO_URING = (425, 426, 427)
_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        socket=41,
        sendto=44,
        sendmsg=46,
        sendmmsg=307,
        ioctl=16,
        refused=(165, 166, 155, 308, 321, 298, 323, 250, 248, 249, 304, 246, 320, 175, 313, 176, *_EVERYWHERE),
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        socket=198,
        sendto=206,
        sendmsg=211,
        sendmmsg=269,
        ioctl=29,
        refused=(40, 39, 41, 268, 280, 241, 282, 219, 217, 218, 265, 104, 294, 105, 273, 106, *_EVERYWHERE),
    ),
}


class _Program:
    """A filter in the making: instructions whose jumps go to labels, which become distances at the end."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int, str | int, str | int]] = []
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        self._labels[name] = len(self._lines)

    def load(self, offset: int) -> None:
        self._lines.append((_LOAD, offset, 0, 0))

    def load_argument(self, number: int) -> None:
        self.load(16 + 8 * number)  # the low half: flags, families and protocols are 32 bits wide

    def jump(self, code: int, value: int, then: str | int, otherwise: str | int = 0) -> None:
        self._lines.append((code, value, then, otherwise))

    def end(self, name: str, value: int) -> None:
        self.label(name)
        self._lines.append((_RETURN, value, 0, 0))

    def assembled(self) -> bytes:
        return b"".join(
            struct.pack("=HBBI", code, self._distance(number, then), self._distance(number, otherwise), value)
            for number, (code, value, then, otherwise) in enumerate(self._lines)
        )

    def _distance(self, number: int, to: str | int) -> int:
        return self._labels[to] - number - 1 if isinstance(to, str) else to


def program(*, unix: bool, machine: str | None = None) -> bytes:
    """The filter for this machine. Raises OSError for an architecture whose numbers are not known here."""
    name = machine or platform.machine()
    known = _MACHINES.get(name)
    if known is None:
        raise OSError(errno.ENOSYS, f"no table of system calls for {name}")
    p = _Program()
    p.load(4)
    p.jump(_EQUAL, known.audit, 0, "kill")
    p.load(0)
    if name == "x86_64":
        p.jump(_AT_LEAST, _X32, "kill")
    p.jump(_EQUAL, known.socket, "socket")
    p.jump(_EQUAL, known.sendto, "flags in the fourth")
    p.jump(_EQUAL, known.sendmmsg, "flags in the fourth")
    p.jump(_EQUAL, known.sendmsg, "flags in the third")
    p.jump(_EQUAL, known.ioctl, "ioctl")
    for number in _IO_URING:
        p.jump(_EQUAL, number, "no such call")
    for number in known.refused:
        p.jump(_EQUAL, number, "not permitted")
    p.end("allowed", _ALLOW)
    p.end("not permitted", _ERRNO | errno.EPERM)
    p.end("no such call", _ERRNO | errno.ENOSYS)
    p.end("kill", _KILL)
    p.label("ioctl")
    p.load_argument(1)
    for request in _TERMINAL_INPUT:
        p.jump(_EQUAL, request, "refused here")
    p.jump(_EQUAL, 0, "yes", "yes")
    for label, argument in (("flags in the fourth", 3), ("flags in the third", 2)):
        p.label(label)
        p.load_argument(argument)
        p.jump(_ANY_BIT, _MSG_FASTOPEN, "no fast open", "yes")
    p.label("socket")
    p.load_argument(0)
    p.jump(_EQUAL, _AF_UNIX, "yes" if unix else "refused here")
    p.jump(_EQUAL, _AF_NETLINK, "yes")
    p.jump(_EQUAL, _AF_INET, "protocol")
    p.jump(_EQUAL, _AF_INET6, "protocol", "no such family")
    p.label("protocol")
    p.load_argument(2)
    for number in _PROTOCOLS:
        p.jump(_EQUAL, number, "yes")
    p.end("no such protocol", _ERRNO | errno.EPROTONOSUPPORT)
    p.end("yes", _ALLOW)
    p.end("refused here", _ERRNO | errno.EPERM)
    p.end("no fast open", _ERRNO | errno.EOPNOTSUPP)
    p.end("no such family", _ERRNO | errno.EAFNOSUPPORT)
    return p.assembled()


def restrict(*, unix: bool) -> None:
    """Lay the filter on this process and everything it starts. Raises OSError."""
    code = program(unix=unix)
    buffer = ctypes.create_string_buffer(code, len(code))
    wanted = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer)))
    no_new_privileges()
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_SECCOMP, _MODE_FILTER, wanted, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses the filter of system calls")
