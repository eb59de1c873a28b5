"""Touched blocks from ``pg_waldump``, for a server whose files are on this machine."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringfence import process
from ringfence.integrity.attribution import WITNESSED, Ledger, Written
from ringfence.integrity.touched import DATABASE_REPLACED, SETTINGS_CHANGED, Touched, WalError, WalSpan, require_words
from ringfence.integrity.wal_mark import nonce_prefix
from ringfence.process import Account, ProgramError

TIMEOUT_S = 600
_BLOCK = re.compile(rb"rel \d+/(\d+)/(\d+)(?: fork (\w+))? blk (\d+)")
_OVERWRITTEN = re.compile(rb"^rmgr: XLOG .* desc: FPI(?![A-Z_])")
_SETTINGS = re.compile(rb"^rmgr: XLOG .* desc: PARAMETER_CHANGE")
_MESSAGE = re.compile(rb"^rmgr: LogicalMessage .* desc: MESSAGE ")
_RECORD = re.compile(
    rb"^rmgr: (\S+)\s+len \(rec/tot\):\s+\d+/\s*\d+, tx:\s+(\d+), "
    rb"lsn: ([0-9A-F]+/[0-9A-F]+), prev ([0-9A-F]+/[0-9A-F]+), desc: (\S+)(.*)"
)
_SAID = re.compile(rb' transactional, prefix "%s"; payload \(\d+ bytes\): ([0-9A-F ]+)$' % WITNESSED.encode())


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

    def obstacle(self) -> str | None:
        """Whether the program is there."""
        return None if self.program.exists() else f"pg_waldump: {self.program} is not there"

    def read(self, span: WalSpan) -> Touched:
        """All records between the positions, as text, in one pass."""
        with self._printed(span) as lines:
            return parse(lines, span, source=self.name)

    def written(self, span: WalSpan, *, witness: int) -> Mapping[int, Written]:
        """The same text, read for who wrote."""
        with self._printed(span) as lines:
            return parse_written(lines, span, witness=witness, source=self.name)

    @contextlib.contextmanager
    def _printed(self, span: WalSpan) -> Iterator[Iterable[bytes]]:
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
                yield file
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


def parse_written(lines: Iterable[bytes], span: WalSpan, *, witness: int, source: str) -> Mapping[int, Written]:
    """Who wrote what (pure). Every line must be a record of its own: a message may hold a line that looks like one, but
    not one that the next record follows."""
    database = str(span.database_oid).encode()
    wanted = {str(f).encode(): int(f) for f in (*span.files, witness)}
    words = {f'prefix "{nonce_prefix(n)}"'.encode(): n for n in span.nonces}
    replaced = re.compile(rb".*/%s(?!\d)" % database)
    ledger = Ledger(witness=witness, files=span.files)
    found: set[str] = set()
    last = b""
    for line in lines:
        record = _RECORD.match(line)
        if record is None:
            continue  # what is left of a message that holds a line break
        manager, xid, position, before, kind, rest = record.groups()
        if last and (before != last or position == before):
            raise WalError(f"{source}: a message in the WAL imitates a record, at {position.decode('ascii')}")
        last = position
        if manager == b"LogicalMessage":
            found |= {n for word, n in words.items() if word in rest}
            if (who := _SAID.match(rest)) is not None:
                ledger.said(int(xid), bytes.fromhex(who[1].decode("ascii")))
            continue
        if manager == b"XLOG" and kind == b"PARAMETER_CHANGE":
            raise WalError(SETTINGS_CHANGED)
        if manager == b"Database" and replaced.match(rest):
            raise WalError(DATABASE_REPLACED)
        files = [
            wanted[number]
            for of_database, number, fork, _ in _BLOCK.findall(rest)
            if number in wanted and of_database == database and fork in (b"", b"main")
        ]
        if files or manager == b"Transaction":
            text = rest.decode("utf-8", "replace") if manager == b"Transaction" else ""
            name, of = manager.decode("ascii", "replace"), kind.decode("ascii", "replace")
            ledger.record(xid=int(xid), manager=name, kind=of, description=text.strip(), files=files)
    require_words(span, found, source=source)
    return ledger.written()
