"""Manifests: written, read back, and everything else refused."""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import replace
from typing import Any

import pytest

from ringfence.backup.model import Manifest, backup_id, decode, is_plain_name
from ringfence.errors import BackupError

MOMENT = dt.datetime(2026, 11, 22, 10, 15, 30, 123456, tzinfo=dt.UTC)


def manifest(**changes: Any) -> Manifest:
    made = Manifest(
        id="inventory_backup_7_20261122T101530Z",
        sequence=7,
        project="inventory",
        database="inventory",
        issue="7",
        created_at=MOMENT,
        file="inventory_backup_7_20261122T101530Z.dump",
        size_bytes=35_000_000,
        sha256="0" * 64,
        server_version="18.4",
        server_version_num=180004,
        program_version="18.4",
        baseline={"tables": [{"schema": "public", "name": 'a"b', "rows": 3, "fingerprint": "f" * 32}]},
    )
    return replace(made, **changes)


def document(**changes: Any) -> dict[str, Any]:
    return {**json.loads(manifest().encode()), **changes}


def test_a_manifest_is_read_back() -> None:
    assert decode(manifest().encode(), name="x") == manifest()
    assert decode(manifest(issue=None).encode(), name="x").issue is None


def test_any_name_and_any_baseline_comes_back() -> None:
    chance = random.Random(1)
    for _ in range(100):
        text = "".join(chance.choices("ab\"'\\\n\t\0\x1b\u2028\u202e😀é\udcff", k=12))
        made = manifest(project=text, database=text, baseline={text: [text, 2**70, -1, 1.5, None, True, {}]})
        assert decode(made.encode(), name="x") == made


def test_the_bytes_depend_on_nothing_but_the_manifest() -> None:
    assert manifest().encode() == manifest().encode()
    assert manifest().encode().startswith(b'{\n "schema": 1,\n "id": "inventory_backup_7')
    assert manifest().encode().endswith(b"}\n")


def test_every_way_to_be_torn_is_a_backup_error() -> None:
    whole = manifest().encode()
    for end in range(0, len(whole) - 2, 7):
        with pytest.raises(BackupError, match=r"^manifest m is not readable"):
            decode(whole[:end], name="m")


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\0", b"\xff\xfe", b"null", b"[]", b"1", b'"x"', b"{", b"\xed\xa0", b"<html>"),
        *(b"[" * 200_000, b'{"a":' * 200_000, b"1" * 10_000, b'{"schema": ' + b"1" * 10_000 + b"}"),
    ],
    ids=range(14),
)
def test_what_is_no_manifest_is_a_backup_error(data: bytes) -> None:
    with pytest.raises(BackupError, match=r"^manifest m ") as caught:
        decode(data, name="m")
    assert caught.value.exit_code == 5 and len(caught.value.message) < 500


@pytest.mark.parametrize("schema", [None, 0, 2, "1", [1], {}])
def test_another_schema_is_said(schema: object) -> None:
    with pytest.raises(BackupError, match="this version reads 1") as caught:
        decode(json.dumps(document(schema=schema)).encode(), name="m")
    assert "another version" in str(caught.value.hint)


@pytest.mark.parametrize("field", sorted(set(document()) - {"schema"}))
@pytest.mark.parametrize("value", ["missing", True, None, [], {}, 1.5, "x", 3])
def test_every_field_is_there_and_of_its_type(field: str, value: object) -> None:
    changed = document(**{field: value})
    if value == "missing":
        del changed[field]
        if field in ("purpose", "database_bytes", "format", "parts"):  # manifests of earlier versions lack them
            assert decode(json.dumps(changed).encode(), name="m").purpose == "regular"
            return
    fits = {"issue": (None, "x"), "sequence": (3,), "size_bytes": (3,), "server_version_num": (3,), "baseline": ({},)}
    fits |= {"database_bytes": (3,), "parts": ([],)}
    texts = {"id", "project", "database", "server_version", "file"}
    if value != "missing" and (
        (value in fits.get(field, ()) and type(value) is not bool) or (field in texts and value == "x")
    ):
        decode(json.dumps(changed).encode(), name="m")
        return
    with pytest.raises(BackupError, match=f"is damaged: .*{field}"):
        decode(json.dumps(changed).encode(), name="m")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("file", v)
            for v in ("../x.dump", "/etc/passwd", "a/b.dump", ".hidden", "-rf", "", "a\nb", "x" * 252, "a\0")
        ),
        *(("sha256", v) for v in ("", "0" * 63, "0" * 65, "G" * 64, "0" * 63 + "\n", "A" * 64)),
        *(
            ("created_at", v)
            for v in ("", "yesterday", "2026-11-22", "0001-01-01T00:00:00+14:00", "2026-11-22T10:00:00")
        ),
    ],
)
def test_values_that_cannot_be(field: str, value: str) -> None:
    with pytest.raises(BackupError, match="is damaged"):
        decode(json.dumps(document(**{field: value})).encode(), name="m")


@pytest.mark.parametrize("field", ["size_bytes", "sequence", "server_version_num"])
def test_numbers_that_cannot_be(field: str) -> None:
    with pytest.raises(BackupError, match="is damaged"):
        decode(json.dumps(document(**{field: -1})).encode(), name="m")


def test_keys_of_a_later_version_are_passed_over() -> None:
    assert decode(json.dumps(document(later="x")).encode(), name="m") == manifest()


@pytest.mark.parametrize(
    ("server", "program", "reader"), [(150018, "15.18", 150018), (150018, "18.4", 180000), (180004, "18", 180004)]
)
def test_what_wrote_a_dump_must_read_it(server: int, program: str, reader: int) -> None:
    assert manifest(server_version_num=server, program_version=program).reader_version_num == reader


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("database", "issue", "name"),
    [
        ("inventory", "7", "inventory_backup_7_20261122T101530Z"),
        ("inventory", None, "inventory_backup_manual_20261122T101530Z"),
        ("Inventory DB", "a-1", "Inventory_DB_backup_a-1_20261122T101530Z"),
        ("-rf", "7", "rf_backup_7_20261122T101530Z"),
        ("---", "7", "database_backup_7_20261122T101530Z"),
        ("", "7", "database_backup_7_20261122T101530Z"),
        ("../../etc", "7", "_etc_backup_7_20261122T101530Z"),
        ("a\nb\0c", "7", "a_b_c_backup_7_20261122T101530Z"),
        ("ünïcödé", "7", "_n_c_d__backup_7_20261122T101530Z"),
        ("😀", "7", "__backup_7_20261122T101530Z"),
        (".", "7", "__backup_7_20261122T101530Z"),
    ],
)
def test_an_id_is_safe_in_a_file_name(database: str, issue: str | None, name: str) -> None:
    assert backup_id(database, issue, MOMENT) == name


def test_any_id_is_one_plain_path_component_that_fits() -> None:
    chance = random.Random(2)
    for _ in range(500):
        database = "".join(chance.choices("aZ0_-. /\\\"'$\n\0;*?é😀\u202e", k=chance.randrange(64)))
        issue = "".join(chance.choices("abcZ09._-", k=chance.randrange(1, 81)))
        made = backup_id(database, issue, MOMENT)
        assert is_plain_name(made) and is_plain_name(f"{made}.dump") and made == made.strip()
        assert len(f".{made}.manifest.json.0a1b2c3d.partial") <= 255


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "-x", "a/b", "a b", "a\n", "a\0", "é", "x" * 252, "a*"])
def test_names_that_are_not_plain(name: str) -> None:
    assert not is_plain_name(name)
