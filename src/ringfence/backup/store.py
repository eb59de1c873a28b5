"""The backup directory: staging, publishing, listing, removing. It never touches a file that no manifest lists.

Order of writing: the dump is complete, synced and hashed before it gets its name; the copy of the manifest goes to the
state directory, still called ``.coming``; the manifest gets its name last. Order of removing: the copy is called
``.going``, then the manifest goes, then the dump, then the copy. Whatever is killed in between leaves either a whole
backup or something that is not taken for one, and the copy's name tells the next writer whether to finish or to undo.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ringfence import files
from ringfence.backup import marks as marking
from ringfence.backup import model, retention, seal
from ringfence.backup.formats.choice import format_of
from ringfence.backup.marks import Marks
from ringfence.backup.model import Entry, Manifest
from ringfence.crashpoint import crashpoint
from ringfence.errors import BackupError

MANIFEST_SUFFIX = ".manifest.json"
MARKS_SUFFIX = ".marks.json"
_MANIFEST_LIMIT_BYTES = 512 << 20
"""Far above any honest manifest (12 MB for 5,000 tables); a planted file of any size is not read."""
_STAGING = ".staging-"
_COMING = ".coming"
_GOING = ".going"


@dataclass(frozen=True, kw_only=True)
class BackupStore:
    """``directory`` holds the pairs (`.backups`), ``copies`` a copy of each manifest outside the work tree; ``key``
    seals manifests and marks."""

    directory: Path
    copies: Path
    key: bytes = field(repr=False)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store for making or removing backups; what an interrupted predecessor left is cleared first.

        Raises BusyError (4) when another process is at it and BackupError (5) when the directory cannot be used.
        """
        try:
            files.ensure_private_directory(self.directory)
            files.ensure_private_directory(self.copies)
        except files.FileError as error:
            raise BackupError(f"backup directory: {error.message}", hint=error.hint) from error
        except OSError as error:
            raise BackupError(f"backup directory {self.directory}: {error.strerror or error}") from error
        with files.lock(self.directory / ".lock", purpose="making a backup"):
            self._finish_publications()
            self._finish_removals()
            self._restore_copies()
            for leftover in self.directory.glob(f"{_STAGING}*"):
                if leftover.is_dir() and not leftover.is_symlink():
                    # Under another name first: a pg_dump that outlived its tool can then put no new file into it.
                    gone = leftover.rename(leftover.with_name(f"{_STAGING}{secrets.token_hex(6)}"))
                    shutil.rmtree(gone)
            yield

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A private directory beside the backups, gone at the end of the block whatever happens."""
        place = self.directory / f"{_STAGING}{secrets.token_hex(6)}"
        place.mkdir(mode=0o700)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def next_sequence(self) -> int:
        """One more than any backup has or had, as far as the directory or the copies know."""
        numbers = [e.sequence for e in self.entries()]
        numbers += [m.sequence for m in map(_read_quietly, self._copies()) if m]
        return max(numbers, default=0) + 1

    def is_free(self, name: str) -> bool:
        """Whether no backup has or had this id."""
        places = (self._dump(name), self._manifest(name), self._copy(name), self._coming(name), self._going(name))
        return not any(os.path.lexists(p) for p in places)

    def publish(self, staged: Path, manifest: Manifest) -> Entry:
        """Give a finished dump its name, and then its manifest. Nothing of that name is ever replaced."""
        dump = self.directory / manifest.file
        data = seal.sealed(manifest.encode(), self.key)
        try:
            crashpoint("backup.before_rename")
            files.write_atomic(self._coming(manifest.id), data)
            format_of(manifest).publish(staged, dump)
            crashpoint("backup.renamed")
            staged_manifest = staged.with_name("manifest")
            files.write_atomic(staged_manifest, data)
            crashpoint("backup.manifest_staged")
            files.publish(staged_manifest, self._manifest(manifest.id))
            crashpoint("backup.published")
        except OSError as error:
            with contextlib.suppress(OSError):
                self._finish_publications()
            raise BackupError(f"cannot publish {dump}: {error.strerror or error}") from error
        self._finish_publications()
        return self.entry(manifest.id)

    def entries(self) -> tuple[Entry, ...]:
        """Every manifest in the directory, newest first, and every copy whose manifest has gone."""
        names = {p.name.removesuffix(MANIFEST_SUFFIX) for p in self.directory.glob(f"*{MANIFEST_SUFFIX}")}
        names |= {p.name.removesuffix(MANIFEST_SUFFIX) for p in self._copies()}
        found = [self.entry(n) for n in names if model.is_plain_name(n)]
        return tuple(sorted(found, key=lambda e: (-e.sequence, e.id)))

    def foreign(self) -> tuple[str, ...]:
        """Names in the directory that no manifest lists; they are reported and left alone."""
        if not self.directory.is_dir():
            return ()
        known = {".lock"}
        for entry in self.entries():
            known |= {entry.manifest_path.name, f"{entry.id}{MARKS_SUFFIX}"} | (
                {entry.dump_path.name} if entry.dump_path else set()
            )
        return tuple(
            sorted(p.name for p in self.directory.iterdir() if p.name not in known and not p.name.startswith(_STAGING))
        )

    def entry(self, name: str) -> Entry:
        """One backup by id, with what a look at it shows: missing parts, sizes, a manifest unlike its copy."""
        path = self._manifest(name)
        found = Entry(id=name, manifest=None, manifest_path=path, dump_path=None, problem=None)
        if not model.is_plain_name(name):
            return found.failing("no such backup")
        copy, data = _bytes(self._copy(name)) or _bytes(self._coming(name)), _bytes(path)
        if data is None:
            return found.failing("its manifest is gone" if copy is not None else "no such backup")
        problem = _why_not_believed(data, copy, self.key)
        if problem:
            return found.failing(problem)
        try:
            # Only what is sealed or equals the copy is ever parsed: anybody may have put a file into the work tree.
            manifest = model.decode(data, name=path.name)
        except BackupError as error:
            return found.failing(error.message)
        dump = self.directory / manifest.file
        found = Entry(
            id=name, manifest=manifest, manifest_path=path, dump_path=dump, problem=None, marks=self._read_marks(name)
        )
        problem = _problem(manifest, dump, name)
        return found.failing(problem) if problem else found

    def newest(self) -> Entry:
        """The newest backup without a visible problem; never one that was taken of a damaged production.

        Raises BackupError (5) where there is none.
        """
        entries = self.entries()
        for entry in entries:
            if entry.problem is None and not entry.is_evidence:
                return entry
        if entries:
            told = "; ".join(f"{e.id}: {e.problem}" for e in entries[:5])
            raise BackupError(f"none of the {len(entries)} backups in {self.directory} can be used: {told}")
        raise BackupError(f"there is no backup in {self.directory}", hint="make one with 'ringfence backup create'")

    def get(self, name: str | None) -> Entry:
        """The backup of that id (a file name will do), or the newest; BackupError (5) when it cannot be used."""
        if name is None:
            return self.newest()
        plain = Path(name).name.removesuffix(MANIFEST_SUFFIX).removesuffix(".dump")
        entry = self.entry(plain)
        if entry.problem is not None:
            raise BackupError(f"backup {plain}: {entry.problem}", hint="'ringfence backup list' shows what there is")
        return entry

    def rotate(self, *, keep: int, needed: Mapping[str, str] | None = None) -> retention.Rotation:
        """Remove what the rules no longer keep. Call it only after the new backup is in place.

        ``needed`` are ids that must stay, with the reason. Before anything goes, the newest proven backup is read: its
        size says nothing about its bytes, and what goes may go only because that one is good.
        """
        entries = list(self.entries())
        while True:
            decision = retention.rotate(entries, keep=keep, needed=needed or {})
            anchor = retention.newest_proven(entries) if decision.remove else None
            if anchor is None or self._is_intact(anchor):
                break
            entries[entries.index(anchor)] = anchor.failing("its dump is damaged")
        for name in decision.remove:
            crashpoint("backup.before_removal")
            self._remove(name)
            crashpoint("backup.removed")
        return decision

    def put_manifest_back(self, name: str) -> bool:
        """Write a manifest again from its sealed copy where the dump is the one it describes; False where it is not.

        Call it inside `writing`. What stands in its place is renamed.
        """
        copy = _bytes(self._copy(name)) if model.is_plain_name(name) else None
        if copy is None or seal.state(copy, self.key) != "valid":
            return False
        manifest = model.decode(copy, name=name)
        try:
            if manifest.id != name or format_of(manifest).damage(self._dump(name), manifest) is not None:
                return False
            _out_of_the_way(self._manifest(name))
            files.write_atomic(self._manifest(name), copy)
        except OSError:
            return False
        return True

    def readmit(self, staged: Path, manifest: Manifest, data: bytes) -> Entry:
        """Give a dump that was brought back its name and its own sealed manifest again; call it inside `writing`."""
        try:
            for path in (self._manifest(manifest.id), self._dump(manifest.id)):
                _out_of_the_way(path)
            files.write_atomic(self._copy(manifest.id), data)
            format_of(manifest).publish(staged, self._dump(manifest.id))
            files.write_atomic(self._manifest(manifest.id), data)
        except OSError as error:
            raise BackupError(f"cannot bring back {manifest.id}: {error.strerror or error}") from error
        return self.get(manifest.id)

    def mark(self, name: str, change: Callable[[Marks], Marks]) -> Marks:
        """Change what is known about a backup; written to the state directory, and beside the backup for its loss.

        Raises BackupError (5) where there is no such backup or nothing can be written.
        """
        entry = self.entry(name)
        if entry.manifest is None:
            raise BackupError(f"backup {name}: {entry.problem}", hint="'ringfence backup list' shows what there is")
        marks = change(entry.marks)
        data = marking.encode(name, marks, self.key)
        try:
            for directory in (self.copies, self.directory):
                files.write_atomic(directory / f"{name}{MARKS_SUFFIX}", data)
        except OSError as error:
            raise BackupError(f"cannot mark backup {name}: {error.strerror or error}") from error
        return marks

    def _read_marks(self, name: str) -> Marks:
        own = _bytes(self.copies / f"{name}{MARKS_SUFFIX}")
        beside = _bytes(self.directory / f"{name}{MARKS_SUFFIX}")
        for data in (own, beside):
            marks = marking.decode(data, name, self.key) if data is not None else None
            if marks is not None:
                return marks
        return replace(marking.NONE, unreadable=own is not None)

    def _is_intact(self, entry: Entry) -> bool:
        assert entry.manifest is not None and entry.dump_path is not None
        try:
            return format_of(entry.manifest).damage(entry.dump_path, entry.manifest) is None
        except OSError:
            return False

    def _remove(self, name: str) -> None:
        # The copy is renamed first: it says that the removal was ours, so that whoever finds half of it finishes it.
        self._copy(name).rename(self._going(name))
        files.fsync_directory(self.copies)
        crashpoint("backup.removing")
        self._finish_removals()

    def _finish_publications(self) -> None:
        """Make the copies of published backups what they are called, and undo what was never published."""
        for coming in sorted(self.copies.glob(f"*{_COMING}")):
            manifest = _read_quietly(coming)
            if manifest is None or self._coming(manifest.id) != coming:
                continue
            if _bytes(self._manifest(manifest.id)) == _bytes(coming):
                coming.rename(self._copy(manifest.id))
            else:
                dump, form = self.directory / manifest.file, format_of(manifest)
                with contextlib.suppress(OSError, BackupError):  # something that never was this dump
                    if form.is_of(dump, manifest):
                        form.remove(dump, manifest)
                        files.fsync_directory(self.directory)
                coming.unlink()
            files.fsync_directory(self.copies)
        for partial in self.copies.glob(".*.partial"):
            partial.unlink()

    def _restore_copies(self) -> None:
        """Copies that are missing (the run state was lost) come from manifests whose seal is valid; marks without any
        backup (it was removed while it was being marked) go."""
        for path in self.directory.glob(f"*{MANIFEST_SUFFIX}"):
            name = path.name.removesuffix(MANIFEST_SUFFIX)
            entry = self.entry(name)
            data = _bytes(path)
            if entry.manifest is None or data is None or os.path.lexists(self._copy(name)):
                continue
            if seal.state(data, self.key) == "valid":
                files.write_atomic(self._copy(name), data)
        for marks in self.copies.glob(f"*{MARKS_SUFFIX}"):
            name = marks.name.removesuffix(MARKS_SUFFIX)
            if not any(os.path.lexists(p) for p in (self._copy(name), self._going(name), self._manifest(name))):
                marks.unlink()

    def _finish_removals(self) -> None:
        for going in sorted(self.copies.glob(f"*{_GOING}")):
            manifest = _read_quietly(going)
            if manifest is None or self._going(manifest.id) != going:
                continue
            marks = f"{manifest.id}{MARKS_SUFFIX}"
            self._manifest(manifest.id).unlink(missing_ok=True)
            crashpoint("backup.manifest_removed")
            format_of(manifest).remove(self.directory / manifest.file, manifest)
            for directory in (self.directory, self.copies):
                (directory / marks).unlink(missing_ok=True)
            files.fsync_directory(self.directory)
            going.unlink()
            files.fsync_directory(self.copies)

    def _copies(self) -> list[Path]:
        return list(self.copies.glob(f"*{MANIFEST_SUFFIX}"))

    def _manifest(self, name: str) -> Path:
        return self.directory / f"{name}{MANIFEST_SUFFIX}"

    def _dump(self, name: str) -> Path:
        return self.directory / f"{name}.dump"

    def _copy(self, name: str) -> Path:
        return self.copies / f"{name}{MANIFEST_SUFFIX}"

    def _coming(self, name: str) -> Path:
        return self.copies / f"{name}{_COMING}"

    def _going(self, name: str) -> Path:
        return self.copies / f"{name}{_GOING}"


def _out_of_the_way(path: Path) -> None:
    """Rename what has a name that is needed; the new one is nobody's, so nothing ever removes it."""
    if os.path.lexists(path):
        path.rename(path.with_name(f"{path.name}.damaged-{secrets.token_hex(4)}"))


def _why_not_believed(data: bytes, copy: bytes | None, key: bytes) -> str | None:
    """Why a manifest is not what was written here, or None.

    A valid seal is enough, whatever became of the copy. An equal copy is enough where the seal says nothing: it is of
    another key (the key was lost) or there is none (an earlier version made it).
    """
    state = seal.state(data, key)
    if (copy == data and state != "broken") or (
        state == "valid" and (copy is None or seal.state(copy, key) != "valid")
    ):
        return None
    if copy is not None and copy != data:
        return "its manifest differs from the copy in the state directory: it was altered or swapped"
    if state == "another key":
        return "its manifest is sealed with another key, and there is no copy of it in the state directory"
    if state == "broken":
        return "its seal does not fit its manifest: it was altered"
    return "its manifest has no seal, and there is no copy of it in the state directory, so it was not made here"


def _problem(manifest: Manifest, dump: Path, name: str) -> str | None:
    if manifest.id != name or manifest.file != f"{name}.dump":
        return "its manifest is that of another backup"
    try:
        return format_of(manifest).look(dump, manifest)
    except OSError as error:
        return f"its dump cannot be looked at: {error.strerror or error}"


def _bytes(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        return file.read() if stat.S_ISREG(info.st_mode) and info.st_size <= _MANIFEST_LIMIT_BYTES else None


def _read_quietly(path: Path) -> Manifest | None:
    data = _bytes(path)
    if data is None:
        return None
    try:
        return model.decode(data, name=path.name)
    except BackupError:
        return None
