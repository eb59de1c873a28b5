"""pg_dump and reading its archive back. A listing (``pg_restore -l``) proves nothing: it accepts half an archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ringfence import clock, files, process
from ringfence.backup import compression as compressions
from ringfence.backup.compression import Compression
from ringfence.backup.formats.choice import CUSTOM
from ringfence.backup.formats.contract import Format
from ringfence.errors import BackupError
from ringfence.postgres.programs import ClientPrograms
from ringfence.postgres.target import Target
from ringfence.process import ProgramError

LOCK_WAIT_S = 10
_REST_FACTOR = 20
"""A look at the size so far takes at most a twentieth of the time: a directory may hold 100,000 large objects."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """How a dump is made. ``jobs`` sessions write it where the format allows more than one."""

    form: Format
    jobs: int = 1
    compression: Compression = compressions.FASTEST

    @property
    def is_universal(self) -> bool:
        """Whether any set of programs can write and read it."""
        return self.form.one_stream and self.compression.algorithm in compressions.UNIVERSAL


PLAIN = Method(form=CUSTOM)


def require(programs: ClientPrograms, method: Method, *, where: str) -> None:
    """Refuse (BackupError, 5) a method that these programs cannot follow, before anything is written."""
    if not (method.form.one_stream or programs.sees_files):
        raise BackupError(
            f'backup not made: format = "{method.form.name}" needs PostgreSQL\'s client programs on this machine; '
            f"those of {where} are in a container",
            hint=f"install the client programs of PostgreSQL {programs.major} or newer on this machine, "
            'or set [backup] format = "custom" in ringfence.toml',
        )
    compressions.require(programs, method.compression, where=where)


def dump(
    programs: ClientPrograms,
    source: Target,
    path: Path,
    *,
    method: Method = PLAIN,
    snapshot: str,
    timeout_s: float,
    on_bytes: Callable[[int], None] | None = None,
) -> None:
    """Write the database as the exported snapshot shows it into ``path`` (the whole database).

    Waits for locks at most `LOCK_WAIT_S` and then fails with the table's name. ``on_bytes`` is called with the size so
    far, several times a second; what it raises ends the dump. Raises BackupError (5).
    """
    form = method.form
    size, looked_s, took_s = 0, 0.0, 0.0

    def tick() -> None:
        nonlocal size, looked_s, took_s
        if on_bytes is None:
            return
        now = clock.monotonic_s()
        if now - looked_s >= _REST_FACTOR * took_s:
            size = form.size_so_far(path)
            looked_s, took_s = now, clock.monotonic_s() - now
        on_bytes(size)

    line: list[str | Path] = [
        *programs.command("pg_dump"),
        *form.dump_options(method.jobs),
        method.compression.option(programs.major),
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={LOCK_WAIT_S * 1000}",
        "--no-password",
        f"--dbname={programs.conninfo(source)}",
    ]
    environment = programs.environment(source)
    try:
        if programs.sees_files:
            process.run([*line, f"--file={path}"], timeout_s=timeout_s, env=environment, on_tick=tick)
        else:
            with path.open("xb") as file:
                process.run(line, timeout_s=timeout_s, env=environment, on_tick=tick, stdout_to=file)
    except ProgramError as error:
        hint = None
        if "statement timeout" in error.message or "lock timeout" in error.message:
            hint = "another session holds a lock on that table; end its transaction and try again"
        elif "version mismatch" in error.message:
            hint = "install the client programs of the server's PostgreSQL version or newer"
        elif "No space left" in error.message:
            hint = f"{files.bytes_text(files.free_bytes(path.parent))} are free in {path.parent.parent}"
        elif "could not obtain lock" in error.message:
            hint = "a session wants that table for itself while several read it; try again, or set [backup] jobs = 1"
        elif "too many clients" in error.message or "connection slots" in error.message:
            hint = f"the dump takes {method.jobs + 1} connections; lower [backup] jobs, or raise max_connections"
        elif "out of shared memory" in error.message:
            hint = "raise max_locks_per_transaction on the server; every table takes a lock"
        raise BackupError(f"backup not made: {error.message}", hint=hint) from error


def read_in_full(programs: ClientPrograms, path: Path, *, form: Format = CUSTOM, timeout_s: float) -> None:
    """Read every byte of an archive as a restore would, into nothing. Raises BackupError (5) for a damaged one."""
    line: list[str | Path] = [*programs.command("pg_restore"), f"--format={form.name}", "--file=/dev/null"]
    environment = programs.environment(None)
    try:
        if programs.sees_files:
            process.run([*line, path], timeout_s=timeout_s, env=environment)
        else:
            with path.open("rb") as archive:
                process.run(line, timeout_s=timeout_s, env=environment, stdin_from=archive)
    except ProgramError as error:
        raise BackupError(f"dump {path.name} is damaged: {error.message}") from error
