"""The second place: a directory, and a bucket on a real server that speaks S3; plain, encrypted, and tampered with."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.backup.stage import KEY, Stage

from ringfence.backup import ciphertext
from ringfence.backup.mirror import Mirror
from ringfence.backup.places import BucketPlace, DirectoryPlace, Place
from ringfence.errors import BackupError

SECRET = b"s" * 32
BIG = secrets.token_bytes((9 << 20) + 17)  # boto3 sends more than 8 MB in parts


@pytest.fixture(scope="module")
def bucket() -> Iterator[BucketPlace]:
    """A bucket of a server of this test's own, on this machine."""
    boto3 = pytest.importorskip("boto3")
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    patch = pytest.MonkeyPatch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        patch.delenv(name, raising=False)
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="backups")
        yield BucketPlace(bucket="backups", prefix="", endpoint=endpoint)
    finally:
        server.stop()
        patch.undo()


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "directory":
        return DirectoryPlace(path=tmp_path / "elsewhere")
    found: BucketPlace = request.getfixturevalue("bucket")
    return dataclasses.replace(found, prefix=f"{secrets.token_hex(4)}/", _clients=[])


@pytest.fixture(params=[None, SECRET], ids=["plain", "encrypted"])
def mirror(request: pytest.FixtureRequest, place: Place) -> Mirror:
    return Mirror(place=place, seal_key=KEY, key=request.param)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage.at(tmp_path)


def pushed(stage: Stage, mirror: Mirror, name: str = "b1", data: bytes = b"dump b1") -> None:
    with stage.store.writing():
        stage.publish(name, data)
    mirror.push(stage.store.entries())


def test_what_was_pushed_comes_back_byte_for_byte(stage: Stage, mirror: Mirror, tmp_path: Path) -> None:
    pushed(stage, mirror, data=BIG)
    assert mirror.ids() == ("b1",)
    manifest, data = mirror.fetch("b1", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == BIG and manifest.id == "b1"
    assert data == stage.manifest_file("b1").read_bytes()


def test_only_what_is_missing_and_sound_is_pushed(stage: Stage, mirror: Mirror) -> None:
    stage.make("b1", "b2", "b3")
    stage.dump("b2").unlink()
    assert sorted(mirror.push(stage.store.entries())) == ["b1", "b3"]
    assert mirror.push(stage.store.entries()) == ()
    mirror.forget(["b1", "never there"])
    assert mirror.ids() == ("b3",)


def test_a_dump_that_is_damaged_here_does_not_get_there(stage: Stage, mirror: Mirror) -> None:
    stage.make("b1")
    stage.dump("b1").write_bytes(b"DUMP b1")
    with pytest.raises(BackupError, match="SHA-256"):
        mirror.push(stage.store.entries())
    assert mirror.ids() == ()


def replaced(mirror: Mirror, file: str, change: Any) -> None:
    name = file + (".enc" if mirror.key else "")
    data = bytearray(b"".join(mirror.place.read(name)))
    mirror.place.put(name, [bytes(change(data))])


def flipped(data: bytearray) -> bytearray:
    data[-5] ^= 1
    return data


@pytest.mark.parametrize("file", ["b1.dump", "b1.manifest.json"])
@pytest.mark.parametrize(
    "change", [flipped, lambda d: d[:-1], lambda d: d + b"x", lambda d: b""], ids=["flipped", "cut", "longer", "empty"]
)
def test_what_was_done_to_it_there_is_noticed(
    stage: Stage, mirror: Mirror, tmp_path: Path, file: str, change: Any
) -> None:
    pushed(stage, mirror)
    replaced(mirror, file, change)
    with pytest.raises(BackupError):
        mirror.fetch("b1", tmp_path / "back")


def test_a_backup_of_another_project_is_not_believed(stage: Stage, mirror: Mirror, tmp_path: Path) -> None:
    pushed(stage, mirror)
    with pytest.raises(BackupError, match="no valid seal"):
        dataclasses.replace(mirror, seal_key=b"o" * 32).fetch("b1", tmp_path / "back")


def test_one_that_is_not_there_is_said(mirror: Mirror, tmp_path: Path) -> None:
    for name in ("b9", "../b1", ""):
        with pytest.raises(BackupError, match="the mirror has no backup"):
            mirror.fetch(name, tmp_path / "back")


def test_nothing_of_it_can_be_read_there(stage: Stage, place: Place) -> None:
    pushed(stage, Mirror(place=place, seal_key=KEY, key=SECRET), data=b"customer names" * 1000)
    for name in place.names():
        data = b"".join(place.read(name))
        assert name.endswith(".enc") and b"customer" not in data and b"sha256" not in data


def test_a_place_that_cannot_be_reached_is_a_backup_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackupError, match=r"mirror .*: "):
        DirectoryPlace(path=tmp_path / "file" / "below").put("b1.dump", [b"x"])


# --- the cipher -------------------------------------------------------------------------------------------------------

CHUNK = ciphertext.CHUNK_BYTES


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
def test_every_size_comes_back(size: int) -> None:
    data = secrets.token_bytes(size)
    pieces = [data[i : i + 300_001] for i in range(0, size, 300_001)]
    there = b"".join(ciphertext.encrypted(pieces, SECRET, name="n"))
    again = [there[i : i + 70_003] for i in range(0, len(there), 70_003)]
    assert b"".join(ciphertext.decrypted(again, SECRET, name="n")) == data


def test_chunks_cannot_be_moved_dropped_or_repeated() -> None:
    data = secrets.token_bytes(4 * CHUNK)
    there = b"".join(ciphertext.encrypted([data], SECRET, name="n"))
    head, size = len(ciphertext.MAGIC) + ciphertext.SALT_BYTES, CHUNK + 16
    chunks = [there[head + i * size : head + (i + 1) * size] for i in range(4)]
    assert b"".join([there[:head], *chunks]) == there
    for order in ((1, 0, 2, 3), (0, 1, 2), (0, 1, 3), (0, 0, 1, 2, 3), (0, 1, 2, 3, 3), ()):
        with pytest.raises(BackupError, match="cannot be decrypted"):
            list(ciphertext.decrypted([there[:head], *(chunks[i] for i in order)], SECRET, name="n"))


@pytest.mark.parametrize(("key", "name"), [(b"o" * 32, "n"), (SECRET, "m")], ids=["another key", "another name"])
def test_another_key_or_name_does_not_open_it(key: bytes, name: str) -> None:
    there = b"".join(ciphertext.encrypted([b"x"], SECRET, name="n"))
    with pytest.raises(BackupError, match="cannot be decrypted"):
        list(ciphertext.decrypted([there], key, name=name))
