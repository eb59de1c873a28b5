"""How a dump is compressed, and whether a pg_dump can do it: that depends on its major and on how it was built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from ringfence import process
from ringfence.errors import BackupError
from ringfence.postgres.programs import ClientPrograms
from ringfence.process import ProgramError

Algorithm = Literal["gzip", "lz4", "none", "zstd"]
UNIVERSAL: tuple[Algorithm, ...] = ("gzip", "none")
"""What every pg_dump knows."""
_NAMED_SINCE = 16
"""The first major whose pg_dump takes the name of an algorithm; before it there was gzip alone, by level."""
_GZIP_DEFAULT = 6
_PROBE_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True)
class Compression:
    """An algorithm and its level; None is the algorithm's own default."""

    algorithm: Algorithm
    level: int | None = None

    @classmethod
    def parse(cls, text: str) -> Compression:
        """``gzip:2``, ``zstd``, ``none``; the settings have checked it."""
        algorithm, _, level = text.partition(":")
        known = next(a for a in get_args(Algorithm) if a == algorithm)
        return cls(algorithm=known, level=int(level) if level else None)

    def option(self, major: int) -> str:
        """As pg_dump of a major is told it. Raises BackupError (5) where that major has no word for it."""
        if major >= _NAMED_SINCE:
            return f"--compress={self}"
        if self.algorithm == "none":
            return "--compress=0"
        if self.algorithm != "gzip":
            raise BackupError(
                f"backup not made: pg_dump {major} cannot compress with {self.algorithm}; it knows gzip only",
                hint=f"install the client programs of PostgreSQL {_NAMED_SINCE} or newer, {_CHANGE}",
            )
        return f"--compress={self.level or _GZIP_DEFAULT}"

    def __str__(self) -> str:
        return self.algorithm if self.level is None else f"{self.algorithm}:{self.level}"


_CHANGE = 'or set [backup] compression = "gzip:2" in ringfence.toml'

FASTEST = Compression(algorithm="gzip", level=2)
"""zlib's level 2. Measured on 6 million rows: 3.2 s of processor time and 74 MB, against 7.3 s and 70 MB at pg_dump's
default (6); reading back takes the same. Every PostgreSQL client has zlib; lz4 and zstd not all have."""


def require(programs: ClientPrograms, compression: Compression, *, where: str) -> None:
    """Refuse (BackupError, 5) what these programs cannot compress with, before anything is written.

    A build without a library says so before it connects anywhere: asked with a server that is not there. ``where``
    names whose programs they are.
    """
    option = compression.option(programs.major)
    if compression.algorithm in UNIVERSAL:
        return
    line = [*programs.command("pg_dump"), "--format=custom", option, "--no-password", "--file=/dev/null"]
    try:
        done = process.run(
            [*line, "--dbname=host=/nonexistent"],
            timeout_s=_PROBE_TIMEOUT_S,
            env=programs.environment(None),
            check=False,
        )
    except ProgramError as error:
        raise BackupError(f"backup not made: {error.message}") from error
    if re.search(r"compression (specification|algorithm)|does not support compression", done.stderr):
        said = done.stderr.strip().splitlines()[0].removeprefix("pg_dump: error: ")
        raise BackupError(
            f"backup not made: pg_dump {programs.major}.{programs.minor} of {where} cannot compress with "
            f"{compression}: {said}",
            hint=f"install client programs that were built with {compression.algorithm}, {_CHANGE}",
        )
