"""The mirror of a project: kept up after every backup, and where a lost or damaged backup is brought back from."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ringfence.backup import seal
from ringfence.backup.formats.choice import format_of
from ringfence.backup.mirror import Mirror
from ringfence.backup.model import Entry
from ringfence.backup.places import BucketPlace, DirectoryPlace, Place
from ringfence.errors import BackupError
from ringfence.workflow.progress import Progress
from ringfence.workflow.project import Project

_BUCKET = "s3://"


def mirror_of(project: Project) -> Mirror | None:
    """The mirror that ``ringfence.toml`` names, or None. Raises ConfigError (2) for a key that cannot be read."""
    settings = project.settings.backup
    if settings.mirror is None:
        return None
    key = seal.load_or_make_key(project.paths.mirror_key) if settings.mirror_encrypt else None
    return Mirror(place=_place(settings.mirror, settings.mirror_endpoint), seal_key=project.seal_key, key=key)


def _place(where: str, endpoint: str | None) -> Place:
    if not where.startswith(_BUCKET):
        return DirectoryPlace(path=Path(where))
    bucket, _, prefix = where.removeprefix(_BUCKET).partition("/")
    return BucketPlace(bucket=bucket, prefix=f"{prefix.rstrip('/')}/" if prefix.strip("/") else "", endpoint=endpoint)


def keep_up(project: Project, removed: Collection[str], progress: Progress) -> str | None:
    """Copy what the mirror lacks and remove what rotation removed; what went wrong is returned, never raised.

    The backup is in place and good; a second place that cannot be reached must not stop work, and must not be silent.
    """
    mirror = mirror_of(project)
    if mirror is None:
        return None
    try:
        for name in mirror.push(project.store.entries()):
            progress.say(f"copied to the mirror: {name}")
        mirror.forget(removed)
    except BackupError as error:
        return error.message
    return None


def mirrored(project: Project) -> tuple[frozenset[str], str | None]:
    """The ids in the mirror, and why they cannot be listed where they cannot."""
    mirror = mirror_of(project)
    if mirror is None:
        return frozenset(), None
    try:
        return frozenset(mirror.ids()), None
    except BackupError as error:
        return frozenset(), error.message


def mend(project: Project, name: str, progress: Progress) -> Entry:
    """Bring back what is missing of a backup: its manifest from the run state, or all of it from the mirror.

    Files that stand in the way are renamed, never removed. Raises BackupError (5) where there is nothing to mend from.
    """
    entry = project.store.entry(name)
    if entry.problem is None and entry.manifest is not None and entry.dump_path is not None:
        damage = format_of(entry.manifest).damage(entry.dump_path, entry.manifest)
        if damage is None:
            return entry
        entry = entry.failing(damage)
    with project.store.writing():
        if project.store.put_manifest_back(name):
            progress.say(f"the manifest of {name} is back, from the copy in the run state")
            return project.store.get(name)
        mirror = mirror_of(project)
        if mirror is None:
            raise BackupError(
                f"backup {name}: {entry.problem}; there is no mirror to bring it back from",
                hint="[backup] mirror in ringfence.toml names a second place for the backups that come",
            )
        progress.say(f"bringing {name} back from the mirror")
        with project.store.staging() as staging:
            staged = staging / "dump"
            manifest, data = mirror.fetch(name, staged)
            return project.store.readmit(staged, manifest, data)


def usable(project: Project, name: str, progress: Progress) -> Entry:
    """A backup by id; one that is lost or visibly damaged is brought back first where that can be done."""
    try:
        return project.store.get(name)
    except BackupError as error:
        plain = Path(name).name.removesuffix(".dump")
        try:
            return mend(project, plain, progress)
        except BackupError as second:
            raise BackupError(error.message, hint=f"it cannot be brought back either: {second.message}") from error
