"""Seals over raw bytes, and the key they are made with."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ringfence.backup import seal
from ringfence.errors import ConfigError

KEY = b"k" * 32
PLAIN = (json.dumps({"a": 1, "b": {"seal": "x"}}, indent=1) + "\n").encode()


def test_a_sealed_document_is_still_the_same_json() -> None:
    data = seal.sealed(PLAIN, KEY)
    assert seal.state(data, KEY) == "valid"
    document = json.loads(data)
    assert document.pop("seal").startswith("hmac-sha256 ") and document == json.loads(PLAIN)


def test_any_other_byte_is_noticed() -> None:
    data = seal.sealed(PLAIN, KEY)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        assert seal.state(bytes(changed), KEY) != "valid", place
    for other in (data[:-1], data + b"\n", b" " + data, data[1:], b"", PLAIN, data[:-3] + b"}\n" * 40):
        assert seal.state(other, KEY) != "valid"


def test_another_key_is_told_from_an_altered_document() -> None:
    data = seal.sealed(PLAIN, KEY)
    assert seal.state(data, b"o" * 32) == "another key"
    assert seal.state(data.replace(b'"a": 1', b'"a": 2'), KEY) == "broken"
    assert seal.state(PLAIN, KEY) == "none"


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    with ThreadPoolExecutor(max_workers=8) as pool:
        keys = set(pool.map(lambda _: seal.load_or_make_key(path), range(32)))
    assert len(keys) == 1 and len(keys.pop()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["seal.key"]


@pytest.mark.parametrize("content", [b"", b"zz", b"00" * 31, b"\xff\xfe", b"00" * 33])
def test_a_key_that_is_none_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "seal.key"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"seal\.key"):
        seal.load_or_make_key(path)
    assert path.read_bytes() == content
