"""Files are whole or not there, directories private, locks the kernel's: real files, real processes, real kills."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cases.drivers import python_as

from ringfence import files, process
from ringfence.errors import BusyError
from ringfence.files import FileError

IS_ROOT = os.geteuid() == 0


def mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@contextlib.contextmanager
def python(script: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that says on its output when it is ready; it is gone at the end."""
    argv = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def ready(child: subprocess.Popen[bytes]) -> None:
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"


# --- private directories ----------------------------------------------------------------------------------------------


def test_a_directory_is_made_with_its_parents_for_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    assert files.ensure_private_directory(path) == path
    assert [mode(p) for p in (path, path.parent, path.parent.parent)] == [0o700] * 3


def test_a_directory_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files.ensure_private_directory(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)


@pytest.mark.parametrize("open_mode", [0o755, 0o777, 0o770, 0o701, 0o1777])
def test_an_open_directory_is_closed_and_keeps_what_is_in_it(tmp_path: Path, open_mode: int) -> None:
    path = tmp_path / "d"
    path.mkdir()
    (path / "file").write_text("kept")
    path.chmod(open_mode)
    files.ensure_private_directory(path)
    assert mode(path) == 0o700
    assert (path / "file").read_text() == "kept"


def test_the_parents_that_exist_are_left_as_they_are(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    files.ensure_private_directory(tmp_path / "d")
    assert mode(tmp_path) == 0o755


@pytest.mark.parametrize("leads_to", ["elsewhere", "nowhere"])
def test_a_symbolic_link_is_refused_and_not_followed(tmp_path: Path, leads_to: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / leads_to)
    with pytest.raises(FileError, match="link is a symbolic link") as caught:
        files.ensure_private_directory(link)
    assert caught.value.exit_code == 2 and "remove the link" in str(caught.value.hint)
    assert mode(elsewhere) == 0o755 and not (tmp_path / "nowhere").exists()


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(FileError, match="f is not a directory"):
        files.ensure_private_directory(tmp_path / "f")


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a directory to somebody else")
def test_a_directory_of_somebody_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.mkdir(mode=0o755)
    os.chown(path, 65534, 65534)
    with pytest.raises(FileError, match=r"d belongs to user id 65534, not to 0$"):
        files.ensure_private_directory(path)
    assert mode(path) == 0o755


# --- whole files ------------------------------------------------------------------------------------------------------


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "f"
    files.write_atomic(path, b"one")
    assert (path.read_bytes(), mode(path)) == (b"one", 0o600)
    files.write_atomic(path, b"two", mode=0o644)
    assert (path.read_bytes(), mode(path)) == (b"two", 0o644)
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("umask", [0, 0o077, 0o277])
def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        files.write_atomic(tmp_path / "f", b"x", mode=0o640)
    finally:
        os.umask(before)
    assert mode(tmp_path / "f") == 0o640


def test_a_symbolic_link_is_replaced_and_what_it_leads_to_is_not_touched(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("important")
    (tmp_path / "f").symlink_to(target)
    files.write_atomic(tmp_path / "f", b"new")
    assert target.read_text() == "important"
    assert not (tmp_path / "f").is_symlink() and (tmp_path / "f").read_bytes() == b"new"


def test_a_long_name_can_be_staged(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    files.write_atomic(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.mkdir()
    (path / "kept").write_text("x")
    with pytest.raises(OSError):
        files.write_atomic(path, b"a directory has this name")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["d", "kept"]


KILLED_AT = """
    import os, sys
    from pathlib import Path
    from ringfence import files
    def die(*arguments, **options):
        os.kill(os.getpid(), 9)
    point, path = sys.argv[1:]
    if point == "directory":
        files.fsync_directory = die
    else:
        setattr(os, point, die)
    files.write_atomic(Path(path), b"new" * 500_000)
    """


@pytest.mark.parametrize("point", ["open", "fdopen", "fsync", "chmod", "rename"])
def test_killed_before_the_rename_the_old_file_stands(tmp_path: Path, point: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with python(KILLED_AT, point, path) as child:
        assert child.wait(20) == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert all(p.name.endswith(".partial") for p in tmp_path.iterdir() if p != path)


def test_killed_after_the_rename_the_new_file_stands(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with python(KILLED_AT, "directory", path) as child:
        assert child.wait(20) == -signal.SIGKILL
    assert path.read_bytes() == b"new" * 500_000


def test_killed_at_any_moment_a_reader_sees_one_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "f"
    whole = {bytes([c]) * (1 << 20) for c in b"ab"}
    files.write_atomic(path, min(whole))
    script = """
        import sys
        from pathlib import Path
        from ringfence import files
        print("ready", flush=True)
        while True:
            for c in b"ab":
                files.write_atomic(Path(sys.argv[1]), bytes([c]) * (1 << 20))
        """
    for _ in range(8):
        with python(script, path) as child:
            ready(child)
            until = time.monotonic() + random.uniform(0.005, 0.1)
            while time.monotonic() < until:
                assert path.read_bytes() in whole
        assert path.read_bytes() in whole


# --- publishing -------------------------------------------------------------------------------------------------------


def test_a_finished_file_gets_its_name(tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    staged.write_text("x")
    files.publish(staged, tmp_path / "name")
    assert [p.name for p in tmp_path.iterdir()] == ["name"]
    assert (tmp_path / "name").read_text() == "x" and (tmp_path / "name").stat().st_nlink == 1


@pytest.mark.parametrize("there", ["file", "directory", "link", "dangling"])
def test_nothing_is_ever_replaced(tmp_path: Path, there: str) -> None:
    staged, path, other = tmp_path / "staged", tmp_path / "name", tmp_path / "other"
    staged.write_text("new")
    other.write_text("important")
    if there == "file":
        path.write_text("old")
    elif there == "directory":
        path.mkdir()
    else:
        path.symlink_to(other if there == "link" else tmp_path / "nowhere")
    before = os.lstat(path)
    with pytest.raises(FileExistsError):
        files.publish(staged, path)
    assert os.lstat(path) == before
    assert (staged.read_text(), other.read_text()) == ("new", "important")
    assert not (tmp_path / "nowhere").exists()


def test_of_two_publishers_one_wins(tmp_path: Path) -> None:
    won: list[int] = []

    def publish(number: int) -> None:
        staged = tmp_path / f"staged-{number}"
        staged.write_text(str(number))
        with contextlib.suppress(FileExistsError):
            files.publish(staged, tmp_path / "name")
            won.append(number)

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and (tmp_path / "name").read_text() == str(won[0])


# --- digests and sizes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_500_000])
def test_the_digest_is_of_every_byte(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    (tmp_path / "f").write_bytes(data)
    seen: list[int] = []
    assert files.sha256_file(tmp_path / "f", seen.append) == hashlib.sha256(data).hexdigest()
    assert sum(seen) == size


def test_a_digest_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "f")
    for refuse in (files.sha256_file, files.fsync_file):
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            refuse(tmp_path / "link")


def test_missing_files_are_errors(tmp_path: Path) -> None:
    for look in (files.sha256_file, files.fsync_file, files.fsync_directory):
        with pytest.raises(FileNotFoundError):
            look(tmp_path / "gone")


def test_syncing_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    files.fsync_file(tmp_path / "f")
    files.fsync_directory(tmp_path)
    assert files.free_bytes(tmp_path) > 0


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (3_449, "3.4 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (999_999, "1.0 MB"),
        (35_100_000, "35.1 MB"),
        (6_000_000_000, "6.0 GB"),
        (999_999_999_999, "1.0 TB"),
        (1_500_000_000_000_000, "1500.0 TB"),
    ],
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert files.bytes_text(count) == text


# --- locks ------------------------------------------------------------------------------------------------------------

HOLDER = """
    import sys
    from pathlib import Path
    from ringfence import files
    with files.lock(Path(sys.argv[1]), purpose="making a backup"):
        print("ready", flush=True)
        sys.stdin.readline()
    """


def test_a_second_process_is_busy_at_once_and_told_who(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with python(HOLDER, path) as child:
        ready(child)
        started = time.monotonic()
        with pytest.raises(BusyError) as caught, files.lock(path, purpose="x"):
            pass
        assert time.monotonic() - started < 1
        assert caught.value.message == f"another process is doing this already: process {child.pid}, making a backup"
        assert caught.value.exit_code == 4
        assert files.is_locked(path)
        assert files.holder(path) == f"process {child.pid}, making a backup"
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.wait(20)
    assert not files.is_locked(path)
    assert files.holder(path) is None
    with files.lock(path, purpose="x"):
        pass


def test_a_dead_holder_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with python(HOLDER, path) as child:
        ready(child)
    assert files.holder(path) == f"process {child.pid}, making a backup"  # what it wrote stays, and proves nothing
    assert not files.is_locked(path)
    with files.lock(path, purpose="mine"):
        assert json.loads(path.read_bytes()) == {"pid": os.getpid(), "purpose": "mine"}


def test_a_program_that_the_holder_started_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    script = """
        import subprocess, sys
        from pathlib import Path
        from ringfence import files
        with files.lock(Path(sys.argv[1]), purpose="x"):
            child = subprocess.Popen(["/bin/sleep", "60"], stdout=subprocess.DEVNULL, close_fds=False)
            print("ready", flush=True)
            print(child.pid, flush=True)
            sys.stdin.readline()
        """
    with python(script, path) as child:
        ready(child)
        assert child.stdout is not None
        sleeper = int(child.stdout.readline())
    try:
        assert process.is_alive(sleeper) and not files.is_locked(path)
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_waiting_ends_when_the_holder_does(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with python(HOLDER, path) as child:
        ready(child)
        threading.Timer(0.4, child.kill).start()
        started = time.monotonic()
        with files.lock(path, purpose="x", wait_s=20):
            assert 0.3 < time.monotonic() - started < 10


def test_waiting_has_an_end(tmp_path: Path) -> None:
    with files.lock(tmp_path / "lock", purpose="first"):
        started = time.monotonic()
        with pytest.raises(BusyError, match=r"first$"), files.lock(tmp_path / "lock", purpose="second", wait_s=0.3):
            pass
        assert 0.3 <= time.monotonic() - started < 5


def test_an_exception_lets_the_lock_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ValueError, match="inside"), files.lock(path, purpose="x"):
        raise ValueError("inside")
    assert not files.is_locked(path) and path.read_bytes() == b""


def test_only_one_of_many_is_inside(tmp_path: Path) -> None:
    script = """
        import sys, time
        from pathlib import Path
        from ringfence import files
        path = Path(sys.argv[1])
        print("ready", flush=True)
        for _ in range(25):
            with files.lock(path / "lock", purpose="x", wait_s=60):
                count = int((path / "count").read_text())
                time.sleep(0.002)
                (path / "count").write_text(str(count + 1))
        """
    (tmp_path / "count").write_text("0")
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(python(script, tmp_path)) for _ in range(4)]
        for child in children:
            assert child.wait(60) == 0
    assert (tmp_path / "count").read_text() == "100"


def test_looking_whether_it_is_locked_never_makes_it_busy(tmp_path: Path) -> None:
    """``ringfence status`` beside a ``backup create``: a look must not be taken for a holder."""
    path = tmp_path / "lock"
    path.touch()
    script = """
        import sys, time
        from pathlib import Path
        from ringfence import files
        print("ready", flush=True)
        while True:
            files.is_locked(Path(sys.argv[1]))
            time.sleep(0.0001)
        """
    with python(script, path) as child:
        ready(child)
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            with files.lock(path, purpose="x"):
                pass


def test_a_lock_file_that_is_not_there_is_not_locked(tmp_path: Path) -> None:
    assert not files.is_locked(tmp_path / "lock")
    assert files.holder(tmp_path / "lock") is None
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"pid": 1}', '{"pid": "x", "purpose": "y"}', "\xff", '{"purpose": "y"}']
)
def test_a_torn_lock_file_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text, "latin-1")
    assert files.holder(tmp_path / "lock") is None
    with files.lock(tmp_path / "lock", purpose="x"):
        assert files.holder(tmp_path / "lock") == f"process {os.getpid()}, x"


def test_a_lock_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("important")
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError), files.lock(tmp_path / "lock", purpose="x"):
        pass
    assert (tmp_path / "target").read_text() == "important"


def test_a_directory_that_cannot_be_written_is_an_error_for_an_ordinary_user(tmp_path: Path) -> None:
    script = """
        from pathlib import Path
        from ringfence import files
        for act in (lambda: files.write_atomic(Path("/etc/ringfence-test"), b""),
                    lambda: files.ensure_private_directory(Path("/etc/ringfence-test/x"))):
            try:
                act()
            except PermissionError as error:
                print(error.filename.startswith("/etc/"))
        """
    assert python_as("nobody", script).stdout == "True\nTrue\n"
