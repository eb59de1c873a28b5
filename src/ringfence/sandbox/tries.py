"""The single ways in which a process inside a sandbox may try to get out. Each returns what it got, or raises.

Standard library only: it runs inside (see `attempts`). Nothing is destroyed: where an attempt to write succeeds, what
was there is put back.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import shutil
import socket
import struct
import subprocess
import sys
from typing import Any

_TIMEOUT_S = 2.0
_STARTUP_PACKET = struct.pack("!ii", 8, 80877103)  # SSLRequest: any PostgreSQL server answers with one byte
_FASTOPEN = 0x20000000
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_MACHINE = platform.machine() == "aarch64"
_NUMBERS = {  # x86_64, aarch64
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "shmget": (29, 194),
    "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265),
}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def call(name: str, *words: Any) -> int:
    """A system call by name; OSError where it fails."""
    number = _NUMBERS[name][_MACHINE]
    done = _libc.syscall(ctypes.c_long(number), *(ctypes.c_long(w) if isinstance(w, int) else w for w in words))
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(done)


def tcp(host: str, port: int, *, protocol: int = 0, say: bytes = _STARTUP_PACKET) -> str:
    """Connect; what is returned shows that somebody answered."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, protocol) as connection:
        connection.settimeout(_TIMEOUT_S)
        connection.connect((host, port))
        connection.send(say)
        answer = connection.recv(1)
        if not answer:
            raise OSError(0, "closed without an answer")
        return f"connected, answered {answer!r}"


def fast_open(port: int, *, message: bool) -> str:
    """A connection without connect(): the first bytes go along with the opening."""
    with socket.socket() as connection:
        connection.settimeout(_TIMEOUT_S)
        where = ("127.0.0.1", port)
        if message:
            connection.sendmsg([_STARTUP_PACKET], [], _FASTOPEN, where)
        else:
            connection.sendto(_STARTUP_PACKET, _FASTOPEN, where)
        if not connection.recv(1):
            raise OSError(0, "closed without an answer")
        return "connected"


def other_family(family: int, kind: int, address: Any, protocol: int = 0) -> str:
    """A socket of another family or protocol."""
    with socket.socket(family, kind, protocol) as connection:
        connection.settimeout(_TIMEOUT_S)
        connection.connect(address)
        return "connected"


def read(path: str) -> str:
    """Read a file, or list a directory that is not empty."""
    if os.path.isdir(path):
        names = os.listdir(path)
        if not names:
            raise OSError(0, "empty")
        return f"{len(names)} names"
    with open(path, "rb") as file:
        data = file.read(200)
    if not data:
        raise OSError(0, "empty")
    return f"{len(data)} bytes"


def write(path: str) -> str:
    """Open a file for writing without changing it, or make and remove one in a directory."""
    if os.path.isdir(path):
        name = os.path.join(path, ".ringfence-probe")
        with open(name, "x"):
            pass
        os.unlink(name)
        return "a file was made"
    with open(path, "ab"):
        return "opened for writing"


def replace(path: str) -> str:
    """Rename something over a file (editors do that), or the other way round."""
    aside = f"{path}.ringfence-probe"
    if os.path.isdir(path):
        os.rename(path, aside)
        os.rename(aside, path)
        return "renamed"
    shutil.copy2(path, aside)
    try:
        os.rename(aside, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)
    return "replaced"


def through_link(worktree: str, path: str, *, hard: bool) -> str:
    """Reach a hidden file by a link in the work tree."""
    link = os.path.join(worktree, f".ringfence-probe-{'hard' if hard else 'soft'}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(link)
    (os.link if hard else os.symlink)(path, link)
    try:
        return read(link)
    finally:
        os.unlink(link)


def connect_unix(address: str) -> str:
    """Connect to a socket by its path, or by its abstract name (beginning with NUL)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_TIMEOUT_S)
        connection.connect(address)
        return "connected"


def program(*words: str, env: dict[str, str] | None = None) -> str:
    """Run a program that must fail."""
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(words, capture_output=True, timeout=8, check=False, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        raise OSError(0, said[-1] if said else f"exit status {done.returncode}")
    return "it succeeded"


def speak_to_server(words: list[str]) -> str:
    """psql against production: a server that asks for a password was reached."""
    env = {"PGPASSFILE": "/dev/null", "PGCONNECT_TIMEOUT": "3"}
    done = subprocess.run(
        words, capture_output=True, timeout=8, check=False, env={**os.environ, **env}, stdin=subprocess.DEVNULL
    )
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode == 0 or "password" in said or "authentication" in said:
        return "the server answered"
    raise OSError(0, said.splitlines()[-1] if said else f"exit status {done.returncode}")


def python(code: str) -> str:
    """A small program of Python that ends with the number of an error where it was refused."""
    words = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(words, capture_output=True, timeout=8, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return "it succeeded"
    said = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
    if said.lower().startswith("errno ") or "[Errno " in said or said in ("empty", "no new namespaces"):
        raise OSError(0, said)
    raise RuntimeError(said)


def ptrace(pid: int) -> str:
    """Attach to a process (PTRACE_SEIZE), in a child that ends at once."""
    code = "import ctypes,sys; l=ctypes.CDLL(None,use_errno=True); "
    code += f"r=l.ptrace(0x4206,{pid},None,None); sys.exit(0 if r==0 else 'errno %d' % ctypes.get_errno())"
    return python(code)


def read_memory(pid: int) -> str:
    """Read another process's memory; any address will do: a refusal comes before it is looked at."""
    buffer = ctypes.create_string_buffer(8)
    local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    remote = (ctypes.c_size_t * 2)(0x1000, 8)
    try:
        call("process_vm_readv", pid, local, 1, remote, 1, 0)
    except OSError as error:
        if error.errno == 14:  # EFAULT: it was allowed to look
            return "allowed"
        raise
    return "read"


def signal_by_descriptor(pid: int) -> str:
    """Signal through a descriptor of the process."""
    descriptor = call("pidfd_open", pid, 0)
    try:
        call("pidfd_send_signal", descriptor, 0, None, 0)
    finally:
        os.close(descriptor)
    return "allowed"


def enter_namespace(pid: int) -> str:
    """Join the mount namespace of another process."""
    descriptor = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    try:
        call("setns", descriptor, 0)
    finally:
        os.close(descriptor)
    return "joined"


def in_new_namespaces(act: str) -> str:
    """Become root of a user namespace of one's own, and undo the mounts there."""
    code = (
        "import ctypes,os,sys\n"
        "l=ctypes.CDLL(None,use_errno=True)\n"
        f"u,g=os.getuid(),os.getgid()\nif l.unshare({_NEW_USER | _NEW_MOUNTS})!=0: sys.exit('no new namespaces')\n"
        "open('/proc/self/setgroups','w').write('deny')\n"
        "open('/proc/self/uid_map','w').write(f'0 {u} 1')\nopen('/proc/self/gid_map','w').write(f'0 {g} 1')\n"
        f"{act}\n"
    )
    return python(code)


def unmount_and_read(path: str) -> str:
    """Take off what hides a place, then look."""
    act = (
        f"l.umount2({path.encode()!r},2)\nl.umount2(b'/tmp',2)\nl.umount2({os.path.dirname(path).encode()!r},2)\n"
        f"names=os.listdir({path!r}) if os.path.isdir({path!r}) else open({path!r},'rb').read()\n"
        "sys.exit(0 if names else 'empty')"
    )
    return in_new_namespaces(act)


def mount_something() -> str:
    """A mount of one's own in new namespaces."""
    act = (
        "r=l.mount(b't',b'/mnt' if os.path.isdir('/mnt') else b'/tmp',b'tmpfs',0,None)\n"
        "sys.exit(0 if r==0 else 'errno %d' % ctypes.get_errno())"
    )
    return in_new_namespaces(act)


def ask_proxy(url: str | None, host: str, port: int) -> str:
    """CONNECT to something that is not listed."""
    if not url:
        raise OSError(0, "there is no proxy")
    where, _, proxy_port = url.removeprefix("http://").rpartition(":")
    with socket.create_connection((where, int(proxy_port)), _TIMEOUT_S) as connection:
        connection.settimeout(_TIMEOUT_S + 2)
        connection.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = connection.recv(200)
        if answer.startswith(b"HTTP/1.1 200"):
            return "connected"
        raise OSError(0, answer.split(b"\r\n")[0].decode("latin-1"))


def gains_privileges() -> str:
    """A set-user-id program would give more."""
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    if status["NoNewPrivs"].strip() == "1" and int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0:
        raise OSError(0, "no new privileges, no capabilities")
    return f"capabilities {status['CapEff'].strip()}, no new privileges {status['NoNewPrivs'].strip()}"


def type_into_terminal() -> str:
    """TIOCSTI: what is typed here would run in the terminal's shell afterwards."""
    import fcntl
    import pty

    master, follower = pty.openpty()
    try:
        fcntl.ioctl(follower, 0x5412, b"x")
    except OSError as error:
        if error.errno == 1:
            raise
        return f"not forbidden: {error.strerror}"
    finally:
        os.close(master)
        os.close(follower)
    return "typed"


def listen_and_connect(port: int) -> str:
    """An application under test listens, and its test connects."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen(1)
        with socket.create_connection(("127.0.0.1", server.getsockname()[1]), _TIMEOUT_S):
            return "it works"


def make_files(worktree: str) -> str:
    """Write, rename and remove in the work tree."""
    inside = (os.path.join(worktree, part) for part in (".agents", ".git", ""))
    directory = next(path for path in inside if os.path.isdir(path))
    name = os.path.join(directory, ".ringfence-probe-file")
    with open(name, "w") as file:
        file.write("x")
    os.rename(name, f"{name}2")
    os.unlink(f"{name}2")
    return "it works"


def open_any(*paths: str) -> str:
    """Read the first that can be read."""
    problem = OSError(0, "none of them is there")
    for path in paths:
        try:
            return read(path)
        except OSError as error:
            problem = error
    raise problem


def write_any(*paths: str) -> str:
    """Open the first that can be opened for writing; it is not changed."""
    problem = OSError(0, "none of them is there")
    for path in paths:
        try:
            with open(path, "ab"):
                return f"{path} was opened for writing"
        except OSError as error:
            problem = error
    raise problem


def ordinary_programs() -> str:
    """What every program does: children, names, pairs of sockets, a terminal of its own."""
    subprocess.check_output(["/bin/sh", "-c", "exit 0"])
    socket.getaddrinfo("localhost", 80)
    for end in socket.socketpair():
        end.close()
    return "it works"


def use_temporary_files() -> str:
    """TMPDIR and HOME can be written."""
    for variable in ("TMPDIR", "HOME"):
        name = os.path.join(os.environ[variable], ".ringfence-probe")
        with open(name, "w") as file:
            file.write("x")
        os.unlink(name)
    return "it works"
