"""What every format of a dump can do. The rest of the room deals with a path and a manifest only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ringfence.backup.model import FormatName, Manifest, Part

OnBytes = Callable[[int], None]
"""Called with the size of each piece that was read."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A finished dump as its manifest describes it. ``parts`` is empty for a dump that is one file."""

    size_bytes: int
    sha256: str
    parts: tuple[Part, ...]


class Format(Protocol):
    """A way for a dump to lie on disk. What goes wrong with the disk itself is an OSError."""

    @property
    def name(self) -> FormatName:
        """As it stands in manifests and in the settings."""

    @property
    def one_stream(self) -> bool:
        """Whether PostgreSQL's programs can write and read it on standard output and input."""

    def dump_options(self, jobs: int) -> tuple[str, ...]:
        """What pg_dump is told about the format; ``jobs`` only where several sessions can write it."""

    def size_so_far(self, path: Path) -> int:
        """Bytes of a dump that is being written; 0 where there is nothing yet."""

    def settle(self, path: Path) -> None:
        """Close a finished dump to others (pg_dump leaves files readable) and make it survive a power failure."""

    def measure(self, path: Path) -> Measured:
        """Read a finished dump and describe it. Raises BackupError (5) for one that holds what no dump holds."""

    def look(self, path: Path, manifest: Manifest) -> str | None:
        """What is wrong with a dump as far as a look at names, kinds and sizes shows; nothing is read."""

    def damage(self, path: Path, manifest: Manifest, on_bytes: OnBytes | None = None) -> str | None:
        """What is wrong with a dump, every byte read; None for the very dump that the manifest describes."""

    def is_of(self, path: Path, manifest: Manifest) -> bool:
        """Whether all that is there belongs to this manifest, complete or not: then it is ours to remove."""

    def publish(self, staged: Path, path: Path) -> None:
        """Give a settled dump its name in one step; FileExistsError where something has that name."""

    def remove(self, path: Path, manifest: Manifest) -> None:
        """Remove what the manifest lists, and nothing else; what is gone already is no error."""

    def read(self, path: Path, manifest: Manifest) -> Iterator[bytes]:
        """The dump as one stream for another place. Raises BackupError (5), at the end at the latest, if damaged."""

    def write(self, chunks: Iterable[bytes], into: Path, manifest: Manifest) -> None:
        """Make a dump of what `read` gave, settled. Raises BackupError (5) unless it is the manifest's."""
