"""A dump that is a directory: every kind of damage is named, and the stream of it is a tar that others can read."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.backup.stage import START, Stage

from ringfence.backup.formats.choice import DIRECTORY
from ringfence.backup.formats.directory import _header
from ringfence.backup.model import Manifest, Part
from ringfence.errors import BackupError


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage.at(tmp_path, form="directory")


def dumped(stage: Stage, *names: str) -> tuple[Path, Manifest]:
    stage.make(*(names or ("b1",)))
    entry = stage.store.newest()
    assert entry.manifest is not None and entry.dump_path is not None
    return entry.dump_path, entry.manifest


def instead(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("a file is gone", lambda p: (p / "11.dat").unlink(), "its dump is not what was written: 11.dat is gone"),
    ("a file more", lambda p: (p / "12.dat").touch(), 'it holds "12.dat", which its manifest does not list'),
    ("an odd name", lambda p: (p / "a\nb").touch(), r'it holds "a\nb", which'),
    ("a directory in it", lambda p: (p / "x").mkdir(), 'it holds "x", which'),
    ("a file is cut", lambda p: os.truncate(p / "11.dat", 2), "11.dat has 2 bytes, the manifest says 7"),
    ("a file has grown", lambda p: os.truncate(p / "2.dat.gz", 9), "2.dat.gz has 9 bytes, the manifest says 0"),
    ("a byte is another", lambda p: (p / "11.dat").write_bytes(b"dump b9"), "the SHA-256 of 11.dat is not the one"),
    ("toc.dat of another", lambda p: (p / "toc.dat").write_bytes(b"toc of dump b0"), "the SHA-256 of toc.dat is not"),
    ("a link", lambda p: instead(p / "11.dat", lambda q: q.symlink_to("toc.dat")), "11.dat is no regular file"),
    ("a pipe", lambda p: instead(p / "11.dat", os.mkfifo), "11.dat is no regular file"),
    (
        "names swapped",
        lambda p: swap(p / "11.dat", p / "2.dat.gz"),
        "11.dat has 0 bytes, the manifest says 7; 2.dat.gz",
    ),
    (
        "everything gone",
        lambda p: [q.unlink() for q in p.iterdir()],
        "11.dat is gone; 2.dat.gz is gone; toc.dat is gone",
    ),
]


def swap(one: Path, other: Path) -> None:
    one.rename(one.with_name("x"))
    other.rename(one)
    one.with_name("x").rename(other)


@pytest.mark.parametrize(("do", "words"), [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES])
def test_damage_is_named(stage: Stage, do: Callable[[Path], object], words: str) -> None:
    path, manifest = dumped(stage, "b0", "b1")
    do(path)
    told = DIRECTORY.damage(path, manifest)
    assert told is not None and words in told
    look = stage.store.entry("b1").problem
    if "SHA-256" in words:
        assert look is None, "a look reads nothing"
    else:
        assert look == told and stage.store.newest().id == "b0"
    assert DIRECTORY.is_of(path, manifest) == ("gone" in words)
    if "which" not in words:  # what is not listed does not get into the mirror
        with pytest.raises((BackupError, OSError)):
            b"".join(DIRECTORY.read(path, manifest))


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (lambda p: None, "its dump is gone"),
        (lambda p: p.symlink_to("b0.dump"), "its dump is no directory"),
        (lambda p: p.write_bytes(b"dump"), "its dump is no directory"),
        (os.mkfifo, "its dump is no directory"),
    ],
)
def test_something_else_in_its_place_is_named(stage: Stage, do: Callable[[Path], object], words: str) -> None:
    path, manifest = dumped(stage, "b0", "b1")
    path.rename(path.with_name("away"))
    do(path)
    assert DIRECTORY.look(path, manifest) == DIRECTORY.damage(path, manifest) == words
    assert not DIRECTORY.is_of(path, manifest)
    assert stage.store.entry("b1").problem == words


def test_many_damages_are_counted(stage: Stage) -> None:
    path, manifest = dumped(stage)
    for number in range(20):
        (path / f"{number:02}.extra").touch()
    assert str(DIRECTORY.look(path, manifest)).endswith('"04.extra", which its manifest does not list; and 15 more')


def test_a_damaged_proven_one_holds_rotation_back(stage: Stage) -> None:
    """One byte: only reading it shows that the others must stay."""
    path, _ = dumped(stage)
    stage.store.mark("b1", lambda m: m.proven(START, "test"))
    (path / "11.dat").write_bytes(b"dump b9")
    assert stage.make("b2", "b3", keep=1) == ("b2",)
    assert set(stage.problems()) == {"b1", "b3"}


def test_the_digest_can_be_checked_without_this_tool(stage: Stage) -> None:
    path, manifest = dumped(stage)
    line = "LC_ALL=C; export LC_ALL; sha256sum -- * | sha256sum"
    done = subprocess.run(["/bin/sh", "-c", line], cwd=path, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == manifest.sha256


def test_the_stream_is_a_tar_file(stage: Stage) -> None:
    path, manifest = dumped(stage)
    with tarfile.open(fileobj=io.BytesIO(b"".join(DIRECTORY.read(path, manifest)))) as tar:
        found = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    assert found == {p.name: p.read_bytes() for p in path.iterdir()} and list(found) == sorted(found)


def test_a_stream_with_another_file_in_it_is_refused(stage: Stage, tmp_path: Path) -> None:
    _, manifest = dumped(stage)
    for number, name in enumerate(["../x", "/tmp/x", "11.dat\0", "toc.dat"]):
        wrong = io.BytesIO()
        with tarfile.open(fileobj=wrong, mode="w") as tar:
            info = tarfile.TarInfo(name)
            info.size = 7
            tar.addfile(info, io.BytesIO(b"dump b1"))
        place = tmp_path / f"place{number}"
        with pytest.raises(BackupError, match=r"is damaged"):
            DIRECTORY.write([wrong.getvalue()], place, manifest)
        assert {p.name for p in place.iterdir()} <= {"11.dat"}


def test_a_very_large_file_has_a_header_that_is_read_again() -> None:
    part = Part(name="1.dat", size_bytes=200 << 30, sha256="0" * 64)
    assert tarfile.TarInfo.frombuf(_header(part), "ascii", "strict").size == 200 << 30


@pytest.mark.parametrize("name", ["a b", "-rf", "x" * 101, "é"])
def test_what_no_dump_holds_is_no_dump(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(BackupError, match="pg_dump wrote a file called"):
        DIRECTORY.measure(tmp_path)
