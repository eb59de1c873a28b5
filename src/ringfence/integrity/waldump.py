"""Touched blocks from ``pg_waldump``, for a server whose files are on this machine."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ringfence import process
from ringfence.integrity.touched import DATABASE_REPLACED, SETTINGS_CHANGED, Touched, WalError, WalSpan, require_words
from ringfence.integrity.wal_mark import nonce_prefix
from ringfence.process import Account, ProgramError

TIMEOUT_S = 600
_BLOCK = re.compile(rb"rel \d+/(\d+)/(\d+)(?: fork (\w+))? blk (\d+)")
_OVERWRITTEN = re.compile(rb"^rmgr: XLOG .* desc: FPI(?![A-Z_])")
_SETTINGS = re.compile(rb"^rmgr: XLOG .* desc: PARAMETER_CHANGE")
_MESSAGE = re.compile(rb"^rmgr: LogicalMessage .* desc: MESSAGE ")


@dataclass(frozen=True, kw_only=True)
class WalDump:
    """``program`` is the pg_waldump of the server's own major; ``directory`` the ``pg_wal`` of its data directory."""

    program: Path
    directory: Path
    run_as: Account | None

    @property
    def name(self) -> str:
        """As the verdict calls it."""
        return "pg_waldump"

    def read(self, span: WalSpan) -> Touched:
        """All records between the positions, as text, in one pass."""
        line: list[str | Path] = [
            self.program,
            f"--path={self.directory}",
            f"--timeline={span.timeline}",
            f"--start={span.start}",
            f"--end={span.end}",
        ]
        try:
            with tempfile.TemporaryFile() as file:
                process.run(
                    line,
                    timeout_s=TIMEOUT_S,
                    env=process.clean_environment(),
                    cwd=Path("/"),
                    stdout_to=file,
                    run_as=self.run_as,
                )
                file.seek(0)
                return parse(file, span, source=self.name)
        except ProgramError as error:
            raise WalError(f"pg_waldump: {error.message}") from error
        except OSError as error:
            raise WalError(f"pg_waldump: what it printed could not be kept: {error.strerror}") from error


def parse(lines: Iterable[bytes], span: WalSpan, *, source: str) -> Touched:
    """Read what pg_waldump printed (pure). Whatever looks like a block is taken for one, wherever it stands."""
    database = str(span.database_oid).encode()
    wanted = {str(f).encode(): int(f) for f in span.files}
    words = {f'prefix "{nonce_prefix(n)}"'.encode(): n for n in span.nonces}
    blocks: dict[int, set[int]] = {}
    overwritten: set[int] = set()
    found: set[str] = set()
    replaced = re.compile(rb"^rmgr: Database .*/%s(?!\d)" % database)
    doubt: str | None = None
    for line in lines:
        for of_database, number, fork, block in _BLOCK.findall(line):
            if number in wanted and of_database == database and fork in (b"", b"main"):
                blocks.setdefault(wanted[number], set()).add(int(block))
                if _OVERWRITTEN.match(line):
                    overwritten.add(wanted[number])
        if _MESSAGE.match(line):
            found |= {n for word, n in words.items() if word in line}
        elif _SETTINGS.match(line):
            doubt = SETTINGS_CHANGED
        elif replaced.match(line):
            doubt = DATABASE_REPLACED
    require_words(span, found, source=source)
    return Touched(source=source, blocks=blocks, overwritten=overwritten, doubt=doubt)
