"""What can be read from a data directory, whoever wrote it and however torn it is."""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence import process
from ringfence.engines import cluster
from ringfence.engines.cluster import Postmaster
from ringfence.errors import EngineError


@contextlib.contextmanager
def sleeper(where: Path, **options: object) -> Iterator[int]:
    child = subprocess.Popen(["/bin/sleep", "600"], cwd=where, **options)  # type: ignore[call-overload]
    try:
        yield child.pid
    finally:
        child.kill()
        child.wait()


# --- PG_VERSION -------------------------------------------------------------------------------------------------------


def test_no_directory_and_an_empty_one_have_no_version(tmp_path: Path) -> None:
    assert cluster.data_version(tmp_path / "gone") is None
    assert cluster.data_version(tmp_path) is None


@pytest.mark.parametrize("text", ["18", "18\n", " 15 \n"])
def test_the_major_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "PG_VERSION").write_text(text)
    assert cluster.data_version(tmp_path) == int(text)


@pytest.mark.parametrize("data", [b"", b"\n", b"9.6\n", b"eighteen", b"-1", b"18\0", b"\xff\xfe1", b"1" * 5000])
def test_a_version_that_is_none_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "PG_VERSION").write_bytes(data)
    with pytest.raises(EngineError, match="PG_VERSION says") as caught:
        cluster.data_version(tmp_path)
    assert len(caught.value.message) < 400


def test_a_directory_of_something_else_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.odt").write_text("important")
    with pytest.raises(EngineError, match="is not empty and not a PostgreSQL data directory") as caught:
        cluster.data_version(tmp_path)
    assert "nothing is deleted" in str(caught.value.hint)
    assert (tmp_path / "thesis.odt").read_text() == "important"


def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(EngineError, match="data is not a directory"):
        cluster.data_version(tmp_path / "data")


# --- postmaster.pid ---------------------------------------------------------------------------------------------------


def test_the_pid_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text("4711\n/data\n1700000000\n4546\n\n127.0.0.1\n  1 2\nready   \n")
    assert cluster.read_postmaster(tmp_path) == Postmaster(pid=4711, port=4546)
    assert cluster.was_not_shut_down(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b"\n",
            b"4711",
            b"4711\n/data\n",
            b"4711\n/data\n1700000000",
            b"x\n/data\n1\n4546\n",
            b"\xff\xff\n\n\n\n",
        ),
        *(b"4711\n/data\n1\nport\n", b"4711\n/data\n1\n\n", b"0\n/data\n1\n4546\n", b"-4711\n/data\n1\n4546\n"),
        *(b"1" * 30 + b"\n/data\n1\n4546\n", b"1" * 5000 + b"\n/data\n1\n4546\n"),
    ],
)
def test_a_torn_pid_file_names_nobody(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "postmaster.pid").write_bytes(data)
    assert cluster.read_postmaster(tmp_path) is None
    assert cluster.was_not_shut_down(tmp_path)


def test_no_pid_file_names_nobody(tmp_path: Path) -> None:
    assert cluster.read_postmaster(tmp_path) is None
    assert not cluster.was_not_shut_down(tmp_path)


def test_a_server_stands_in_its_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with sleeper(tmp_path) as pid:
        assert cluster.is_live(Postmaster(pid=pid, port=1), tmp_path)
        assert cluster.is_live(Postmaster(pid=pid, port=1), tmp_path / "link")
    assert not cluster.is_live(Postmaster(pid=pid, port=1), tmp_path)


def test_another_process_of_that_number_is_no_server(tmp_path: Path) -> None:
    with sleeper(Path("/")) as pid:
        assert not cluster.is_live(Postmaster(pid=pid, port=1), tmp_path)
        assert not cluster.is_doubtful(Postmaster(pid=pid, port=1))


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_server_that_was_killed_and_not_collected_is_neither_live_nor_doubtful(tmp_path: Path) -> None:
    """In a container whose first process is no init a killed postmaster stays in the process table for ever."""
    libc = ctypes.CDLL(None, use_errno=True)
    subreaper = 36
    assert libc.prctl(subreaper, 1, 0, 0, 0) == 0
    pids = tmp_path / "pid"
    try:
        script = f"cd {tmp_path} && /bin/sleep 600 >/dev/null 2>&1 & echo $! > {pids}"
        process.run(["/bin/sh", "-c", script], timeout_s=30)
        pid = int(pids.read_text())
        os.kill(pid, 9)
        until = time.monotonic() + 10
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < until
        postmaster = Postmaster(pid=pid, port=1)
        assert not cluster.is_live(postmaster, tmp_path)
        assert not cluster.is_doubtful(postmaster)
    finally:
        libc.prctl(subreaper, 0, 0, 0, 0)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(int(pids.read_text()), 0)


# --- settings and log -------------------------------------------------------------------------------------------------


def test_the_settings_of_both_environments() -> None:
    production = cluster.server_settings(project="shop", environment="production", port=4546, host="127.0.0.1")
    test = cluster.server_settings(project="shop", environment="test", port=2346, host="127.0.0.1")
    for settings in (production, test):
        assert settings["listen_addresses"] == "127.0.0.1"
        assert settings["unix_socket_directories"] == ""
        assert settings["password_encryption"] == "scram-sha-256"
    assert (production["port"], production["cluster_name"]) == ("4546", "shop-production")
    assert test["synchronous_commit"] == "off"
    assert not {"synchronous_commit", "wal_level", "fsync", "full_page_writes"} & production.keys()
    assert test["fsync"] == test["full_page_writes"] == "off"  # a reseed proves what it uses, and up says what to do
    # A twin of production waits for no disk and is otherwise like it: what it refuses, production would refuse.
    twin = cluster.server_settings(
        project="shop", environment="production", port=4546, host="127.0.0.1", disposable=True
    )
    assert twin == production | {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def test_settings_are_written_once(tmp_path: Path) -> None:
    path = tmp_path / cluster.SETTINGS_FILE
    cluster.write_settings(tmp_path, {"a": "it's", "port": "1"}, owner=None)
    assert path.read_text().splitlines()[1:] == ["a = 'it''s'", "port = '1'"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.stat().st_ino
    cluster.write_settings(tmp_path, {"a": "it's", "port": "1"}, owner=None)
    assert path.stat().st_ino == before
    cluster.write_settings(tmp_path, {"port": "2"}, owner=None)
    assert path.read_text().splitlines()[1:] == ["port = '2'"]


def test_the_port_of_the_last_start_is_known(tmp_path: Path) -> None:
    assert cluster.configured_port(tmp_path) is None
    settings = cluster.server_settings(project="shop", environment="test", port=2346, host="127.0.0.1")
    cluster.write_settings(tmp_path, settings, owner=None)
    assert cluster.configured_port(tmp_path) == 2346
    (tmp_path / cluster.SETTINGS_FILE).write_text("support = '7'\nport = 'x'\n")
    assert cluster.configured_port(tmp_path) is None


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "(no log)"),
        (b"", "(empty)"),
        (b"\n\n", "(empty)"),
        (b"1\n2\n3\n4\n5\n", "2 | 3 | 4 | 5"),
        (b"\xff", "\ufffd"),
    ],
)
def test_the_end_of_the_log_is_one_line(tmp_path: Path, data: bytes | None, told: str) -> None:
    if data is not None:
        (tmp_path / "log").write_bytes(data)
    assert cluster.log_tail(tmp_path / "log") == told


def test_words_in_the_log_are_made_harmless(tmp_path: Path) -> None:
    """Whoever connects chooses user, database and application names, which the server logs."""
    (tmp_path / "log").write_text("x\n[1] \x1b]0;forged\x07@db\n")
    assert cluster.log_tail(tmp_path / "log").isprintable()
