"""The backup directory: publishing, listing, removing, and what others do to it. Kills are in tests/faults."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cases.drivers import python_as
from tests.unit.backup.stage import START, Stage

from ringfence.backup import seal
from ringfence.backup.model import backup_id
from ringfence.errors import BackupError, BusyError

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage.at(tmp_path)


def mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


# --- publishing -------------------------------------------------------------------------------------------------------


def test_a_backup_is_a_dump_a_manifest_and_a_copy(stage: Stage) -> None:
    stage.make("b1")
    assert stage.names() == ["b1.dump", "b1.manifest.json"]
    assert stage.dump("b1").read_bytes() == b"dump b1"
    assert stage.manifest_file("b1").read_bytes() == stage.copy("b1").read_bytes()
    assert [p.name for p in stage.store.copies.iterdir()] == ["b1.manifest.json"]
    entry = stage.store.newest()
    assert (entry.id, entry.problem, entry.sequence) == ("b1", None, 1)
    assert entry.dump_path == stage.dump("b1") and entry.manifest is not None


def test_nobody_else_can_read_them(stage: Stage) -> None:
    stage.make("b1")
    assert [mode(p) for p in (stage.store.directory, stage.store.copies)] == [0o700, 0o700]
    assert [mode(p) for p in (stage.dump("b1"), stage.manifest_file("b1"), stage.copy("b1"))] == [0o600] * 3


def test_an_open_directory_is_closed(stage: Stage) -> None:
    stage.store.directory.mkdir(parents=True)
    stage.store.directory.chmod(0o777)
    stage.make("b1")
    assert mode(stage.store.directory) == 0o700


def test_sequence_numbers_grow_whatever_is_removed(stage: Stage) -> None:
    assert stage.store.next_sequence() == 1
    stage.make("b1", "b2", "b3", keep=1)
    assert stage.store.next_sequence() == 4
    stage.manifest_file("b3").unlink()
    stage.dump("b3").unlink()
    assert stage.store.next_sequence() == 4  # the copy remembers


@pytest.mark.parametrize("taken", ["dump", "manifest_file"])
def test_nothing_is_ever_replaced(stage: Stage, taken: str) -> None:
    stage.make("b1")
    path = getattr(stage, taken)("b2")
    path.write_bytes(b"important")
    with pytest.raises(BackupError, match=r"^cannot publish .*/b2\.dump: File exists"), stage.store.writing():
        stage.publish("b2", b"new")
    assert path.read_bytes() == b"important"
    assert stage.names() == sorted(["b1.dump", "b1.manifest.json", path.name])
    assert stage.problems().get("b1", "gone") is None
    assert [p.name for p in stage.store.copies.iterdir()] == ["b1.manifest.json"]


def test_an_id_is_free_until_anything_has_it(stage: Stage) -> None:
    stage.make("b1")
    assert stage.store.is_free("b2") and not stage.store.is_free("b1")
    for path in (stage.manifest_file("b1"), stage.dump("b1")):
        path.unlink()
        assert not stage.store.is_free("b1")
    stage.copy("b1").unlink()
    assert stage.store.is_free("b1")
    stage.dump("b1").symlink_to("nowhere")
    assert not stage.store.is_free("b1")


def test_staging_is_private_and_goes_away(stage: Stage) -> None:
    with stage.store.writing():
        with pytest.raises(ValueError, match="inside"), stage.store.staging() as place:
            assert mode(place) == 0o700 and place.parent == stage.store.directory
            (place / "dump").write_bytes(b"x")
            raise ValueError("inside")
        assert stage.names() == []


def test_the_newest_comes_first_whatever_the_clock_says(stage: Stage) -> None:
    """F23."""
    with stage.store.writing():
        stage.publish("z_first")
        stage.publish("a_second", created_at=stage.manifest("x", b"").created_at.replace(year=1999))
    assert list(stage.problems()) == ["a_second", "z_first"]
    assert stage.store.newest().id == "a_second"


# --- rotation ---------------------------------------------------------------------------------------------------------


def test_rotation_removes_all_three_files_of_the_oldest(stage: Stage) -> None:
    assert stage.make("b1", "b2", "b3", "b4", keep=2) == ("b1", "b2")
    assert stage.names() == ["b3.dump", "b3.manifest.json", "b4.dump", "b4.manifest.json"]
    assert sorted(p.name for p in stage.store.copies.iterdir()) == ["b3.manifest.json", "b4.manifest.json"]


def test_rotation_touches_no_file_that_no_manifest_lists(stage: Stage) -> None:
    """F24."""
    stage.make("b1")
    outside = stage.store.directory.parent / "outside"
    outside.mkdir()
    (outside / "b0.dump").write_text("important")
    strange = ["-rf", "x\ny.dump", "*.dump", "b9.dump", ".hidden", "b9.manifest.json.bak", "é", "--help", "notes.txt"]
    for name in strange:
        (stage.store.directory / name).write_text("important")
    (stage.store.directory / "directory.dump").mkdir()
    (stage.store.directory / "link.dump").symlink_to(outside / "b0.dump")
    os.mkfifo(stage.store.directory / "pipe.dump")
    stage.make("b2", "b3", "b4", keep=1)
    assert stage.store.foreign() == tuple(sorted([*strange, "directory.dump", "link.dump", "pipe.dump"]))
    assert all((stage.store.directory / name).read_text() == "important" for name in strange)
    assert (outside / "b0.dump").read_text() == "important"
    assert list(stage.problems()) == ["b4"]


def test_damaged_ones_are_not_removed_and_do_not_push_out_good_ones(stage: Stage) -> None:
    """F25, F26."""
    stage.make("good")
    for number in range(6):
        stage.make(f"bad{number}")
        stage.dump(f"bad{number}").write_bytes(b"")
    assert stage.make("b1", keep=2) == ()
    assert stage.make("b2", keep=2) == ("good",)
    assert len(stage.store.entries()) == 8


def test_a_listing_of_no_directory_is_empty(stage: Stage) -> None:
    assert stage.store.entries() == () and stage.store.foreign() == ()
    with pytest.raises(BackupError, match=r"^there is no backup in ") as caught:
        stage.store.newest()
    assert "backup create" in str(caught.value.hint) and caught.value.exit_code == 5


# --- finding ----------------------------------------------------------------------------------------------------------


def test_a_backup_is_found_by_id_or_by_any_of_its_files(stage: Stage) -> None:
    stage.make("b1", "b2")
    for word in ("b1", "b1.dump", ".backups/b1.dump", "/x/b1.manifest.json", "b1.manifest.json"):
        assert stage.store.get(word).id == "b1"
    assert stage.store.get(None).id == "b2"


@pytest.mark.parametrize("word", ["", ".", "..", "../b1/..", "b9", "-rf", "b1\0", "b1\n", "*", "b", "é" * 300, "/"])
def test_a_backup_that_is_not_there_is_said(stage: Stage, word: str) -> None:
    stage.make("b1")
    with pytest.raises(BackupError, match=r"no such backup$") as caught:
        stage.store.get(word)
    assert "backup list" in str(caught.value.hint)


# --- what others did --------------------------------------------------------------------------------------------------


def altered(path: Path, **changes: Any) -> None:
    path.write_bytes(json.dumps({**json.loads(path.read_bytes()), **changes}).encode())


def both(stage: Stage, **changes: Any) -> None:
    altered(stage.copy("b1"), **changes)
    stage.manifest_file("b1").write_bytes(stage.copy("b1").read_bytes())


def edited(stage: Stage) -> bytes:
    """One digit of the manifest is another one; the seal stands as it was."""
    path = stage.manifest_file("b1")
    path.write_bytes(path.read_bytes().replace(b'"sequence": 2', b'"sequence": 3'))
    return path.read_bytes()


def unsealed(stage: Stage) -> None:
    document = json.loads(stage.manifest_file("b1").read_bytes())
    del document["seal"]
    stage.manifest_file("b1").write_text(json.dumps(document, indent=1) + "\n")


def by_another(stage: Stage) -> None:
    document = json.loads(stage.manifest_file("b1").read_bytes())
    del document["seal"]
    data = (json.dumps(document, indent=1) + "\n").encode()
    stage.manifest_file("b1").write_bytes(seal.sealed(data, b"x" * 32))


def older(stage: Stage) -> None:
    """A manifest that was sealed here once, of the same id, for other bytes."""
    manifest = stage.manifest("b1", b"other b")
    stage.manifest_file("b1").write_bytes(seal.sealed(manifest.encode(), stage.store.key))


def instead(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


WRONGS: list[tuple[str, Callable[[Stage], object], str]] = [
    ("dump gone", lambda s: s.dump("b1").unlink(), "its dump is gone"),
    ("dump shorter", lambda s: s.dump("b1").write_bytes(b"abc"), "its dump has 3 bytes, the manifest says 7"),
    ("dump a link", lambda s: instead(s.dump("b1"), lambda p: p.symlink_to("b0.dump")), "is no regular file"),
    ("dump a directory", lambda s: instead(s.dump("b1"), Path.mkdir), "its dump is no regular file"),
    ("dump a pipe", lambda s: instead(s.dump("b1"), os.mkfifo), "its dump is no regular file"),
    ("manifest gone", lambda s: s.manifest_file("b1").unlink(), "its manifest is gone"),
    ("manifest a link", lambda s: instead(s.manifest_file("b1"), lambda p: p.symlink_to("b0")), "manifest is gone"),
    ("manifest a pipe", lambda s: instead(s.manifest_file("b1"), os.mkfifo), "its manifest is gone"),
    ("manifest torn", lambda s: os.truncate(s.manifest_file("b1"), 100), "it was altered"),
    ("manifest empty", lambda s: os.truncate(s.manifest_file("b1"), 0), "it was altered"),
    ("manifest longer", lambda s: os.truncate(s.manifest_file("b1"), 100_000), "it was altered"),
    ("baseline edited", lambda s: altered(s.manifest_file("b1"), baseline={}), "it was altered"),
    ("file edited", lambda s: altered(s.manifest_file("b1"), file="b0.dump"), "it was altered"),
    ("an older one in its place", lambda s: older(s), "it was altered or swapped"),
    ("seal and copy gone", lambda s: (unsealed(s), s.copy("b1").unlink()), "has no seal, and there is no copy"),
    ("edited, copy gone", lambda s: (edited(s), s.copy("b1").unlink()), "its seal does not fit its manifest"),
    ("edited, copy too", lambda s: s.copy("b1").write_bytes(edited(s)), "its seal does not fit its manifest"),
    ("sealed by another", lambda s: (by_another(s), s.copy("b1").unlink()), "is sealed with another key"),
    ("both of another", lambda s: both(s, id="b0"), "its manifest is that of another backup"),
    ("both to another", lambda s: both(s, file="b0.dump"), "its manifest is that of another backup"),
]


@pytest.mark.parametrize(("do", "problem"), [w[1:] for w in WRONGS], ids=[w[0] for w in WRONGS])
def test_what_was_done_to_a_backup_is_named(stage: Stage, do: Callable[[Stage], object], problem: str) -> None:
    stage.make("b0", "b1")
    do(stage)
    found = stage.store.entry("b1")
    assert found.problem is not None and problem in found.problem
    assert {e.id: e.problem is None for e in stage.store.entries()} == {"b0": True, "b1": False}
    with pytest.raises(BackupError) as caught:
        stage.store.get("b1")
    assert problem in caught.value.message
    assert stage.store.newest().id == "b0"
    stage.make("b2", keep=1)
    assert stage.store.newest().id == "b2" and "b1" in stage.problems()


@pytest.mark.parametrize(
    "lose",
    [
        lambda s: s.copy("b1").unlink(),
        lambda s: altered(s.copy("b1"), sequence=99),
        lambda s: os.truncate(s.copy("b1"), 100),
    ],
    ids=["gone", "edited", "torn"],
)
def test_the_key_is_enough_where_the_copies_are_lost(stage: Stage, lose: Callable[[Stage], object]) -> None:
    stage.make("b0", "b1")
    lose(stage)
    assert stage.problems() == {"b1": None, "b0": None}
    assert stage.store.get("b1").sequence == 2
    stage.make("b2")
    assert stage.problems() == {"b2": None, "b1": None, "b0": None}


def test_copies_are_made_again_after_the_state_was_lost(stage: Stage) -> None:
    stage.make("b0", "b1")
    stage.store.mark("b0", lambda marks: marks.pinned(START, "for ever"))
    shutil.rmtree(stage.store.copies)
    assert stage.store.next_sequence() == 3
    stage.make("b2", "b3", keep=1)
    assert stage.copy("b0").read_bytes() == stage.manifest_file("b0").read_bytes()
    assert list(stage.problems()) == ["b3", "b0"], "a pin outlives the run state"


def test_the_copies_are_enough_where_the_key_is_lost(stage: Stage, tmp_path: Path) -> None:
    stage.make("b0", "b1")
    assert Stage.at(tmp_path, key=b"n" * 32).problems() == {"b1": None, "b0": None}


def test_marks_are_believed_only_with_their_seal(stage: Stage) -> None:
    stage.make("b0", "b1")
    stage.store.mark("b0", lambda marks: marks.proven(START, "a test"))
    assert stage.store.entry("b0").is_proven and not stage.store.entry("b1").is_proven
    marks = stage.store.directory / "b0.marks.json"
    assert stage.store.foreign() == () and mode(marks) == 0o600
    (stage.store.copies / "b1.marks.json").write_bytes(marks.read_bytes())
    found = stage.store.entry("b1")
    assert not found.is_proven and found.marks.unreadable, "moved from another backup"
    stage.make("b2", keep=1)
    assert list(stage.problems()) == ["b2", "b1", "b0"], "what may be pinned does not go"
    with pytest.raises(BackupError, match="no such backup"):
        stage.store.mark("b9", lambda marks: marks.unpinned())


def test_planted_marks_do_nothing(stage: Stage) -> None:
    stage.make("b0", "b1")
    (stage.store.directory / "b0.marks.json").write_text('{"id": "b0", "pinned_at": "2026-11-22T00:00:00Z"}')
    assert not stage.store.entry("b0").marks.unreadable
    stage.make("b2", keep=1)
    assert stage.names() == ["b2.dump", "b2.manifest.json"]


def test_a_damaged_proven_backup_is_no_reason_to_let_an_older_one_go(stage: Stage) -> None:
    """The size is the same, so no look shows it; before anything goes, the newest proven one is read."""
    stage.make("good", "rotten", "b2", "b3")
    for name in ("good", "rotten"):
        stage.store.mark(name, lambda marks: marks.proven(START, "a test"))
    stage.dump("rotten").write_bytes(b"DUMP rotten")
    stage.make("b4", keep=2)
    assert "good" in stage.problems() and "b2" not in stage.problems()


def test_a_backup_that_was_brought_from_elsewhere_is_not_one_of_ours(stage: Stage, tmp_path: Path) -> None:
    other = Stage.at(tmp_path / "other", key=b"o" * 32)
    other.make("b1")
    with stage.store.writing():
        for path in (other.dump("b1"), other.manifest_file("b1")):
            (stage.store.directory / path.name).write_bytes(path.read_bytes())
    assert "sealed with another key" in str(stage.store.entry("b1").problem)


def test_none_that_can_be_used_is_said_with_every_reason(stage: Stage) -> None:
    stage.make("b1", "b2")
    stage.dump("b1").unlink()
    stage.manifest_file("b2").write_bytes(b"{")
    with pytest.raises(BackupError, match=r"^none of the 2 backups in .* can be used: ") as caught:
        stage.store.newest()
    assert "b1: its dump is gone" in caught.value.message and "b2: its manifest differs" in caught.value.message


@pytest.mark.parametrize("which", ["directory", "copies"])
def test_a_directory_that_is_a_link_is_refused(stage: Stage, tmp_path: Path, which: str) -> None:
    """F20."""
    stage.make("b1")
    place = getattr(stage.store, which)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    before = sorted(p.name for p in (tmp_path / "elsewhere").iterdir())
    with pytest.raises(BackupError, match="is a symbolic link"), stage.store.writing():
        raise AssertionError("not reached")
    assert sorted(p.name for p in (tmp_path / "elsewhere").iterdir()) == before


def test_a_file_in_the_place_of_the_directory_is_refused(stage: Stage) -> None:
    stage.store.directory.parent.mkdir(exist_ok=True)
    stage.store.directory.write_text("x")
    with pytest.raises(BackupError, match="is not a directory"), stage.store.writing():
        raise AssertionError("not reached")


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a directory to somebody else")
def test_a_directory_of_somebody_else_is_refused(stage: Stage) -> None:
    stage.store.directory.mkdir(parents=True)
    os.chown(stage.store.directory, 65534, 65534)
    with pytest.raises(BackupError, match="belongs to user id 65534"), stage.store.writing():
        raise AssertionError("not reached")


def test_a_directory_that_cannot_be_written_is_a_backup_error() -> None:
    """F19, as an ordinary user: root may write everywhere."""
    script = """
        from pathlib import Path
        from ringfence.backup.store import BackupStore
        from ringfence.errors import BackupError
        try:
            with BackupStore(directory=Path("/usr/backups"), copies=Path("/usr/copies"), key=b"").writing():
                print("not reached")
        except BackupError as error:
            print(error.message, error.exit_code)
        """
    assert python_as("nobody", script).stdout == "backup directory /usr/backups: Permission denied 5\n"


# --- two writers, and leftovers ---------------------------------------------------------------------------------------


def test_a_second_writer_is_busy(stage: Stage) -> None:
    """F12."""
    script = """
        import sys
        from pathlib import Path
        from ringfence.backup.store import BackupStore
        with BackupStore(directory=Path(sys.argv[1]), copies=Path(sys.argv[2]), key=b"").writing():
            print("ready", flush=True)
            sys.stdin.readline()
        """
    argv = [sys.executable, "-c", textwrap.dedent(script), str(stage.store.directory), str(stage.store.copies)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        words = f"process {child.pid}, making a backup"
        with pytest.raises(BusyError, match=words), stage.store.writing():
            raise AssertionError("not reached")
        assert stage.store.entries() == ()  # looking needs no lock
        child.kill()
        child.communicate()
    stage.make("b1")


def test_two_writers_in_one_process_are_two(stage: Stage) -> None:
    with stage.store.writing(), pytest.raises(BusyError), stage.store.writing():
        raise AssertionError("not reached")


def test_staging_of_a_dead_predecessor_is_cleared_and_nothing_else(stage: Stage, tmp_path: Path) -> None:
    stage.make("b1")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "important").write_text("x")
    left = stage.store.directory / ".staging-0a1b2c3d4e5f"
    left.mkdir()
    (left / "dump").write_bytes(b"x" * 1000)
    (left / "link").symlink_to(outside)
    (stage.store.directory / ".staging-link").symlink_to(outside)
    (stage.store.directory / ".staging-file").write_text("x")
    with stage.store.writing():
        assert not left.exists()
    assert (outside / "important").read_text() == "x"
    assert stage.problems() == {"b1": None}


def test_half_a_removal_is_finished(stage: Stage) -> None:
    """F03: the copy was renamed, and the tool was killed before the files went."""
    for last in range(3):
        name = f"b{last}"
        stage.make(name, "other" + name)
        stage.copy(name).rename(stage.store.copies / f"{name}.going")
        for path in (stage.manifest_file(name), stage.dump(name))[:last]:
            path.unlink()
        with stage.store.writing():
            pass
        assert not [p for p in stage.names() if p.startswith(name)]
        assert not list(stage.store.copies.glob("*.going"))
        assert stage.store.entry(f"other{name}").problem is None


def test_a_torn_note_of_a_removal_removes_nothing(stage: Stage) -> None:
    stage.make("b1", "b2")
    (stage.store.copies / "b1.going").write_bytes(stage.copy("b1").read_bytes()[:-30])
    (stage.store.copies / "b9.going").write_bytes(stage.copy("b2").read_bytes())  # of another name
    with stage.store.writing():
        pass
    assert stage.problems() == {"b1": None, "b2": None}


def test_ids_of_odd_databases_and_issues_are_published_and_found(stage: Stage) -> None:
    moment = stage.manifest("x", b"").created_at
    for database in ("-rf", "a/b", "../..", "x\ny", "ü" * 31, "", ".", "%s", "b" * 63, "'; drop"):
        name = backup_id(database, "9" * 80, moment)
        with stage.store.writing():
            stage.publish(name, database=database)
        assert stage.store.get(f"{name}.dump").problem is None
        with stage.store.writing():
            stage.store.rotate(keep=1)
