"""pg_restore into a new, empty database. Nothing is ever restored into a database that holds something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ringfence import process
from ringfence.backup.formats.choice import CUSTOM
from ringfence.backup.formats.contract import Format
from ringfence.errors import RestoreError
from ringfence.postgres.programs import ClientPrograms
from ringfence.postgres.target import Target
from ringfence.process import ProgramError


def restore(
    programs: ClientPrograms,
    dump: Path,
    target: Target,
    *,
    form: Format = CUSTOM,
    jobs: int,
    timeout_s: float,
    server: str,
    on_tick: Callable[[], None] | None = None,
) -> None:
    """Restore an archive with owners and rights but without subscriptions into ``target``, up to the first error.

    The target must be empty and not yet in anybody's use: an error leaves it half filled, and the caller throws it
    away. ``server`` names the server in hints. Raises RestoreError (6) with what PostgreSQL said.
    """
    line: list[str | Path] = [
        *programs.command("pg_restore"),
        f"--format={form.name}",
        "--exit-on-error",
        "--no-password",
        # A copy must not ask production's publisher for anything; and a database that has one cannot be dropped.
        "--no-subscriptions",
        f"--dbname={programs.conninfo(target)}",
    ]
    environment = programs.environment(target)
    if not (form.one_stream or programs.sees_files):
        raise RestoreError(
            f"{dump.name} is a directory, and the client programs for the {server} server are in a container",
            hint=f"install the client programs of PostgreSQL {programs.major} or newer on this machine",
        )
    try:
        if programs.sees_files:
            process.run([*line, f"--jobs={jobs}", dump], timeout_s=timeout_s, env=environment, on_tick=on_tick)
        else:
            # Several jobs need a file in which they can go back; a stream is read by one.
            with dump.open("rb") as archive:
                process.run(line, timeout_s=timeout_s, env=environment, on_tick=on_tick, stdin_from=archive)
    except ProgramError as error:
        hint = None
        if "is not available" in error.message or "could not open extension control file" in error.message:
            hint = f"install that extension on the {server} server; the database that was backed up uses it"
        elif "No space left" in error.message:
            hint = f"make room where the {server} server's data are"
        raise RestoreError(f"restore of {dump.name} failed: {error.message}", hint=hint) from error
