"""What every format must do, on real files; and that the store does with a directory what it does with a file."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.backup.stage import KEY, Stage

from ringfence.backup.formats.choice import FORMATS, format_of
from ringfence.backup.mirror import Mirror
from ringfence.backup.model import FormatName, Manifest, decode
from ringfence.backup.places import DirectoryPlace
from ringfence.errors import BackupError


@pytest.fixture(params=list(FORMATS))
def form(request: pytest.FixtureRequest) -> FormatName:
    name: FormatName = request.param
    return name


@pytest.fixture
def stage(tmp_path: Path, form: FormatName) -> Stage:
    return Stage.at(tmp_path, form=form)


def modes(path: Path) -> set[tuple[bool, int]]:
    return {(p.is_dir(), stat.S_IMODE(os.lstat(p).st_mode)) for p in (path, *path.rglob("*"))}


def written(stage: Stage, name: str) -> tuple[Path, Manifest]:
    entry = stage.store.get(name)
    assert entry.manifest is not None and entry.dump_path is not None
    return entry.dump_path, entry.manifest


def test_a_settled_dump_is_closed_to_others(stage: Stage) -> None:
    """F21."""
    stage.make("b1")
    path, _ = written(stage, "b1")
    assert modes(path) <= {(False, 0o600), (True, 0o700)}


def test_the_manifest_says_which_format_it_is(stage: Stage, form: FormatName) -> None:
    stage.make("b1")
    path, manifest = written(stage, "b1")
    assert decode(manifest.encode(), name="x") == manifest
    assert format_of(manifest).name == form == manifest.format
    assert format_of(manifest).damage(path, manifest) is None and format_of(manifest).is_of(path, manifest)
    assert format_of(manifest).size_so_far(path) == manifest.size_bytes > 0
    assert format_of(manifest).size_so_far(path / "gone") == 0
    assert format_of(manifest).measure(path) == stage.measured(b"dump b1")


def test_one_format_is_no_other(tmp_path: Path) -> None:
    """A directory in the place of a file, and a file in the place of a directory."""
    for form in FORMATS:
        stage = Stage.at(tmp_path / form, form=form)
        stage.make("b1", "b2")
        other = next(f for f in FORMATS.values() if f.name != form)
        path, manifest = written(stage, "b1")
        assert other.look(path, manifest) is not None and not other.is_of(path, manifest)


def with_a_file(path: Path) -> None:
    path.mkdir()
    (path / "important").touch()


def test_nothing_is_ever_replaced(stage: Stage) -> None:
    stage.make("b1")
    for make in (with_a_file, Path.touch, lambda p: p.symlink_to("nowhere"), os.mkfifo):
        path = stage.dump("b2")
        make(path)
        before = os.lstat(path)
        with pytest.raises(BackupError, match=r"^cannot publish .*: File exists"), stage.store.writing():
            stage.publish("b2", b"new")
        assert os.lstat(path).st_ino == before.st_ino and stage.problems() == {"b1": None}
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_rotation_removes_the_whole_of_the_oldest(stage: Stage) -> None:
    assert stage.make("b1", "b2", "b3", keep=1) == ("b1", "b2")
    assert stage.names() == ["b3.dump", "b3.manifest.json"] and stage.store.foreign() == ()


def test_both_formats_live_side_by_side(tmp_path: Path) -> None:
    """The settings may change; every backup stays what it is."""
    Stage.at(tmp_path, form="custom").make("b1")
    Stage.at(tmp_path, form="directory").make("b2")
    stage = Stage.at(tmp_path, form="custom")
    stage.make("b3")
    assert stage.problems() == {"b3": None, "b2": None, "b1": None}
    assert [written(stage, name)[1].format for name in ("b1", "b2", "b3")] == ["custom", "directory", "custom"]
    assert stage.make("b4", keep=2) == ("b1", "b2")
    assert stage.store.foreign() == ()


def unpublished(stage: Stage, name: str) -> Path:
    """What a kill after the dump got its name leaves: the dump, and its manifest called `.coming`."""
    stage.make(name)
    stage.copy(name).rename(stage.store.copies / f"{name}.coming")
    stage.manifest_file(name).unlink()
    return stage.dump(name)


def test_what_was_never_published_is_undone(stage: Stage) -> None:
    stage.make("b1")
    path = unpublished(stage, "b2")
    with stage.store.writing():
        assert not path.exists()
    assert stage.problems() == {"b1": None} and not list(stage.store.copies.glob("*.coming"))


def test_an_undoing_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    """Killed between two files of a directory: what is left of it is still ours."""
    stage = Stage.at(tmp_path, form="directory")
    (unpublished(stage, "b1") / "11.dat").unlink()
    with stage.store.writing():
        assert stage.names() == []


@pytest.mark.parametrize("do", [lambda p: (p / "x").touch(), lambda p: (p / "toc.dat").write_bytes(b"other")])
def test_what_is_not_ours_is_never_removed(tmp_path: Path, do: Callable[[Path], object]) -> None:
    stage = Stage.at(tmp_path, form="directory")
    path = unpublished(stage, "b1")
    do(path)
    before = sorted(p.name for p in path.iterdir())
    with stage.store.writing():
        assert sorted(p.name for p in path.iterdir()) == before and stage.store.foreign() == ("b1.dump",)


def test_a_file_planted_at_the_last_moment_survives_the_removal(tmp_path: Path) -> None:
    """The manifest's own files go; the directory stays for what is in it, and is reported."""
    stage = Stage.at(tmp_path, form="directory")
    stage.make("b1")
    path, manifest = written(stage, "b1")
    (path / "important").write_text("x")
    format_of(manifest).remove(path, manifest)
    assert [p.name for p in path.iterdir()] == ["important"]
    outside = tmp_path / "outside"
    (tmp_path / "outside").mkdir()
    (outside / "toc.dat").write_text("x")
    (tmp_path / "link").symlink_to(outside)
    format_of(manifest).remove(tmp_path / "link", manifest)
    assert (outside / "toc.dat").read_text() == "x"


def test_it_goes_to_another_place_and_comes_back(stage: Stage, tmp_path: Path) -> None:
    stage.make("b1")
    path, manifest = written(stage, "b1")
    mirror = Mirror(place=DirectoryPlace(path=tmp_path / "elsewhere"), seal_key=KEY, key=b"s" * 32)
    mirror.push(stage.store.entries())
    assert mirror.fetch("b1", tmp_path / "back")[0] == manifest
    form = format_of(manifest)
    assert form.damage(tmp_path / "back", manifest) is None and modes(tmp_path / "back") == modes(path)
    whole = b"".join(form.read(path, manifest))
    for number, wrong in enumerate(
        (whole[:-1], whole[: len(whole) // 2], b"", whole + b"x", b"x" + whole, whole[:9] + b"\1" + whole[10:])
    ):
        with pytest.raises(BackupError, match=r"^dump b1\.dump is damaged: "):
            form.write([wrong], tmp_path / f"wrong{number}", manifest)
    with stage.store.writing(), stage.store.staging() as place:
        form.write([whole[i : i + 7] for i in range(0, len(whole), 7)], place / "dump", manifest)
        entry = stage.store.readmit(place / "dump", manifest, stage.copy("b1").read_bytes())
    assert entry.problem is None and form.damage(path, manifest) is None


def test_a_dump_that_outlived_its_tool_is_not_in_the_way(tmp_path: Path) -> None:
    """A killed tool's pg_dump goes on making files, by their path, while the next one clears up."""
    stage = Stage.at(tmp_path, form="directory")
    stage.make("b1")
    left, stop = stage.store.directory / ".staging-0a1b2c3d4e5f", threading.Event()
    left.mkdir()

    def dump() -> None:
        for number in itertools.count():
            with contextlib.suppress(FileNotFoundError):
                (left / f"{number}.dat").write_bytes(b"")
            if stop.is_set() or not left.exists():
                return

    dumping = threading.Thread(target=dump)
    dumping.start()
    try:
        while not (left / "500.dat").exists():
            pass
        with stage.store.writing():
            assert stage.names() == ["b1.dump", "b1.manifest.json"]
    finally:
        stop.set()
        dumping.join()
