"""One PostgreSQL data directory: how it is made, its settings, its postmaster."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ringfence import clock, files, process
from ringfence.engines.model import EnvironmentName
from ringfence.errors import EngineError
from ringfence.postgres import capability
from ringfence.postgres.programs import Programs
from ringfence.process import Account, ProgramError
from ringfence.redact import one_line

SETTINGS_FILE = "ringfence.conf"
WAL_KEPT = "2GB"
_INCLUDE = f"\n# Written by ringfence; its settings come last and so hold.\ninclude_if_exists = '{SETTINGS_FILE}'\n"


@dataclass(frozen=True, kw_only=True)
class Postmaster:
    """What ``postmaster.pid`` says. The file outlives a server that was killed, so it proves nothing by itself."""

    pid: int
    port: int


def data_version(data: Path) -> int | None:
    """The major that made the data directory, or None where there is none. Raises EngineError for a damaged one."""
    try:
        text = (data / "PG_VERSION").read_text("ascii", "replace").strip()
    except NotADirectoryError:
        raise EngineError(f"{data} is not a directory", hint="move it away; nothing is deleted by this tool") from None
    except FileNotFoundError:
        if data.is_dir() and any(data.iterdir()):
            raise EngineError(
                f"{data} is not empty and not a PostgreSQL data directory (no PG_VERSION)",
                hint="move it away; nothing is deleted by this tool",
            ) from None
        return None
    if not (text.isdigit() and len(text) <= 3):
        raise EngineError(f"{data / 'PG_VERSION'} says {text[:40]!r}; expected a PostgreSQL major such as 18")
    return int(text)


def system_identifier(data: Path) -> str:
    """The server's identifier as its control file has it. Raises EngineError where that cannot be read."""
    try:
        with (data / "global" / "pg_control").open("rb") as file:
            first = file.read(8)
    except OSError as error:
        raise EngineError(f"{error.filename}: {error.strerror}", hint="the data directory is damaged") from error
    return str(int.from_bytes(first, "little"))


def directories(data: Path) -> tuple[Path, ...]:
    """Every directory that holds files of the server: its data directory, the WAL where that is a link, tablespaces."""
    linked = [p for p in (data / "pg_wal", *sorted(data.glob("pg_tblspc/*"))) if p.is_symlink()]
    return (data, *linked)


def initdb(
    programs: Programs, data: Path, *, superuser: str, password: str, run_as: Account | None, disposable: bool = False
) -> None:
    """Make a cluster: UTF-8, C collation (no change of a system library can reorder its indexes), SCRAM, checksums.

    What is ``disposable`` does not wait for the disk.
    """
    locale = ["--locale=C.UTF-8"]
    if capability.has_builtin_locales(programs.major):
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    password_file = data.with_name(f".password-{secrets.token_hex(4)}")
    files.write_atomic(password_file, password.encode())
    if run_as:
        os.chown(password_file, run_as.uid, run_as.gid)
    line: list[str | Path] = [programs.path("initdb"), "-D", data, "-U", superuser, f"--pwfile={password_file}"]
    line += ["-A", "scram-sha-256", "--data-checksums", "-E", "UTF8", *locale, *(["--no-sync"] if disposable else [])]
    try:
        process.run(line, timeout_s=120, run_as=run_as, cwd=data.parent)
    except ProgramError as error:
        raise EngineError(f"cannot make a server in {data.parent}: {error.message}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            password_file.unlink()
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(_INCLUDE)
        file.flush()
        os.fsync(file.fileno())


def server_settings(
    *, project: str, environment: EnvironmentName, port: int, host: str, disposable: bool = False
) -> dict[str, str]:
    """The settings an embedded server runs with (pure); ``disposable``: nothing in it is to outlive a power failure."""
    settings = {
        "listen_addresses": host,
        "port": str(port),
        "unix_socket_directories": "",
        "cluster_name": f"{project}-{environment}",
        "password_encryption": "scram-sha-256",
        # pg_dump locks every table in one transaction; the default runs out near 6,400 tables and sessions.
        "max_locks_per_transaction": "256",
        "log_line_prefix": "%m [%p] %u@%d %a %h ",
        "log_connections": "on",
        "log_disconnections": "on",
    }
    if environment == "production":
        # The newest baseline keeps the WAL that was written since, to be compared with at the cost of the change. What
        # is beyond this is given up, and the next comparison reads every row.
        settings |= {"max_slot_wal_keep_size": WAL_KEPT}
    if environment == "test" or disposable:
        # A power failure may cost all of it ('up' says what to do then), so nothing is waited for.
        settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    if environment == "test":
        # Tables filled in the transaction that made them need no WAL. Every reseed is faster for it.
        settings |= {"wal_level": "minimal", "max_wal_senders": "0"}
    return settings


def write_settings(data: Path, settings: Mapping[str, str], *, owner: Account | None) -> None:
    """Write the settings file where it differs from what is there."""
    lines = ["# Written by ringfence at every start; changes made here are lost."]
    lines += ["{} = '{}'".format(name, value.replace("'", "''")) for name, value in settings.items()]
    text = ("\n".join(lines) + "\n").encode()
    path = data / SETTINGS_FILE
    if path.exists() and path.read_bytes() == text:
        return
    files.write_atomic(path, text)
    if owner:
        os.chown(path, owner.uid, owner.gid)


def configured_port(data: Path) -> int | None:
    """The port of the last start, from the settings file; None where there was none."""
    try:
        found = re.search(r"^port = '(\d{1,5})'$", (data / SETTINGS_FILE).read_text("utf-8"), re.MULTILINE)
    except FileNotFoundError:
        return None
    return int(found[1]) if found else None


def read_postmaster(data: Path) -> Postmaster | None:
    """Read ``postmaster.pid``; None where it is absent or torn."""
    try:
        lines = (data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        found = Postmaster(pid=int(lines[0]), port=int(lines[3]))
    except (FileNotFoundError, IndexError, ValueError):
        return None
    # A number below 2 would mean a group of processes, or all of them; a negative one is a server of a single session.
    return found if 1 < found.pid < 1 << 31 else None


def is_live(postmaster: Postmaster, data: Path) -> bool:
    """Whether that process is the server of this directory: alive, and standing in it as every postmaster does.

    Where the working directory of a process cannot be seen (no /proc) being alive has to do.
    """
    if not process.is_alive(postmaster.pid):
        return False
    where = process.working_directory(postmaster.pid)
    if where is None:
        return not Path("/proc/self").exists()
    return where == data.resolve()


def is_doubtful(postmaster: Postmaster) -> bool:
    """Whether the process is alive but where it stands cannot be seen, so that it may be a server after all."""
    return process.is_alive(postmaster.pid) and process.working_directory(postmaster.pid) is None


def clear_stale_pid_file(data: Path) -> None:
    """Remove a ``postmaster.pid`` that would keep PostgreSQL from starting although no server is left.

    PostgreSQL deals with a number that nobody has, but refuses when any process of its account has it (after a power
    failure that may be the other environment's server; where nobody collects orphans, the dead server itself), and when
    the file is torn. Every process of a server stands in its directory: where none does, none is left. As Debian's
    pg_ctlcluster does.
    """
    path = data / "postmaster.pid"
    found = read_postmaster(data)
    if not path.exists() or (found is not None and not _is_in_process_table(found.pid)):
        return
    if process.standing_in(data.resolve(), uid=data.stat().st_uid) == []:
        path.unlink()


def _is_in_process_table(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def clear_leftovers(base: Path) -> None:
    """Remove what a killed predecessor's ``initdb`` left beside the data directory.

    It may still be at work: its directory is renamed first, so that it finds nothing more to write to and ends.
    """
    for partial in base.glob("data.partial-*"):
        partial.rename(partial.with_name(partial.name.replace("partial", "removed")))
    for removed in base.glob("data.removed-*"):
        for _ in range(50):
            shutil.rmtree(removed, ignore_errors=True)
            if not removed.exists():
                break
            clock.pause(0.1)
    for password_file in base.glob(".password-*"):
        password_file.unlink()


def was_not_shut_down(data: Path) -> bool:
    """Whether a ``postmaster.pid`` was left behind: the server was killed, or the machine lost power."""
    return (data / "postmaster.pid").exists()


def shell_path(base: Path, name: str) -> str:
    """A path for pg_ctl, which writes it between double quotes into a shell's command. Where that would not keep it
    whole (a directory called ``$x``) only the name: pg_ctl is started in ``base``."""
    path = str(base / name)
    return name if any(c in path for c in '"$`\\') else path


def log_tail(log: Path, lines: int = 4) -> str:
    """The last lines of a server's log, joined into one. Who connects chooses names that stand in it."""
    try:
        text = log.read_bytes()[-8192:].decode("utf-8", "replace")
    except OSError:
        return "(no log)"
    return one_line(" | ".join(text.strip().splitlines()[-lines:])) or "(empty)"
