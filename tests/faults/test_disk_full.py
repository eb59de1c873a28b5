"""F13: the disk is full in the middle. On a small file system of the test's own, so for root only."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.postgres.workflow.stage import MAJORS, Stage, World
from tests.unit.backup.stage import Stage as Backups

from ringfence import files
from ringfence.backup.formats.choice import format_of
from ringfence.errors import BackupError
from ringfence.workflow.backups.backup import create_backup

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")

Mount = Callable[[Path, str], Path]


@pytest.fixture
def mount() -> Iterator[Mount]:
    mounted: list[Path] = []

    def mount_at(path: Path, size: str) -> Path:
        path.mkdir(parents=True, exist_ok=True)
        argv = ["/bin/mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "ringfence-test", str(path)]
        done = subprocess.run(argv, capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"cannot mount here: {done.stderr.decode().strip()}")
        mounted.append(path)
        return path

    yield mount_at
    for path in reversed(mounted):
        subprocess.run(["/bin/umount", str(path)], check=True)


@pytest.mark.postgres
def test_a_dump_that_does_not_fit_leaves_the_older_backups_alone(stage: Stage, mount: Mount) -> None:
    place = mount(stage.project.store.directory, "3m")
    stage.run(
        "production",
        "CREATE TABLE public.item (id serial PRIMARY KEY, words text)",
        "INSERT INTO public.item (words) SELECT md5(i::text) FROM generate_series(1, 100) i",
    )
    good = create_backup(stage.project, issue=None, progress=stage.progress).manifest
    stage.run(
        "production",
        "INSERT INTO public.item (words) SELECT md5(random()::text) || md5(random()::text) "
        "FROM generate_series(1, 100000)",
    )
    for _ in range(2):
        with pytest.raises(BackupError, match="No space left on device") as caught:
            create_backup(stage.project, issue=None, progress=stage.progress)
        assert caught.value.exit_code == 5
        assert "are free in " in str(caught.value.hint)
        assert [e.id for e in stage.project.store.entries()] == [good.id]
        assert stage.project.store.newest().problem is None
        assert sorted(p.name for p in place.iterdir()) == [".lock", good.file, f"{good.id}.manifest.json"]
    done = stage.cli("backup", "create")
    assert done.returncode == 5 and "No space left on device" in done.stderr
    stage.run("production", "TRUNCATE public.item")
    later = create_backup(stage.project, issue=None, progress=stage.progress)
    assert stage.project.store.newest().id == later.manifest.id
    assert files.sha256_file(place / good.file) == good.sha256


@pytest.mark.parametrize("which", ["copies"])
def test_a_manifest_that_does_not_fit_takes_its_dump_back(tmp_path: Path, mount: Mount, which: str) -> None:
    backups = Backups.at(tmp_path)
    place = mount(getattr(backups.store, which), "1m")
    backups.make("good")
    baseline = {"tables": ["x" * 20_000]}
    before = backups.names()
    with backups.store.writing():
        room = files.free_bytes(place)
        size = room - 8 * 4096 if which == "directory" else 1000
        if which == "copies":
            (place / "ballast").write_bytes(b"x" * (room - 2 * 4096))
        with pytest.raises(BackupError, match=r"^cannot publish .*: No space left on device"):
            backups.publish("new", b"d" * size, baseline=baseline)
    assert backups.names() == before
    assert backups.problems() == {"good": None}
    if which == "copies":
        (place / "ballast").unlink()
    backups.make("next")
    assert list(backups.problems()) == ["next", "good"]


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.parametrize(
    ("which", "toml"),
    [("directory", ""), ("copies", ""), ("directory", '\n[backup]\nformat = "directory"\njobs = 2\n')],
    ids=["directory", "copies", "dumps in directories"],
)
def test_whatever_is_free_nothing_sound_is_lost(world: World, mount: Mount, which: str, toml: str) -> None:
    """A sweep: free space from nothing to more than enough, so that the disk is full at every step of a backup."""
    with world.stage(MAJORS[0], MAJORS[0], toml=toml) as stage:
        sweep(stage, mount, which)


def sweep(stage: Stage, mount: Mount, which: str) -> None:
    place = mount(getattr(stage.project.store, which), "8m")
    stage.run("production", "CREATE TABLE public.item (id serial PRIMARY KEY, words text)")
    good = create_backup(stage.project, issue=None, progress=stage.progress).manifest
    stage.run(
        "production",
        "INSERT INTO public.item (words) SELECT md5(random()::text) || md5(random()::text) "
        "FROM generate_series(1, 30000)",
    )
    ballast, refused, made = place / "ballast", 0, 0
    for step in range(26):
        free = (step * 96 << 10) if which == "directory" else (step * 4 << 10)
        with contextlib.suppress(FileNotFoundError):
            ballast.unlink()
        room = files.free_bytes(place) - free
        ballast.write_bytes(b"x" * max(0, room))
        try:
            create_backup(stage.project, issue=None, progress=stage.progress)
            made += 1
        except BackupError as error:
            refused += 1
            assert "No space left" in error.message or "are free in" in error.message, error.message
        entries = stage.project.store.entries()
        assert {e.problem for e in entries} == {None}
        assert good.id in {e.id for e in entries} or made >= 5
        for entry in entries:
            assert entry.manifest is not None and entry.dump_path is not None
            assert format_of(entry.manifest).damage(entry.dump_path, entry.manifest) is None
        assert not list(place.glob(".staging-*"))
        for entry in entries:  # so that every step meets the same
            if entry.id != good.id:
                stage.project.store._remove(entry.id)
    assert refused >= 3 and made >= 2, (refused, made)
