"""Seals: an HMAC at the end of a JSON document, made with a key that is kept outside the work tree and the run state.

A document is believed only after its seal was checked over its raw bytes: nothing that anybody put there is parsed
before. The key (``seal.key`` beside the passwords) is all that is needed to believe backups again whose run state, with
its copies of the manifests, was lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import Literal

from ringfence import files
from ringfence.errors import ConfigError

KEY_BYTES = 32
_END = b"\n}\n"
_SEAL = re.compile(rb',\n "seal": "hmac-sha256 (?P<key>[0-9a-f]{8}) (?P<mac>[0-9a-f]{64})"\n\}\n\Z')
SealState = Literal["valid", "none", "broken", "another key"]


def load_or_make_key(path: Path) -> bytes:
    """The project's key; made where there is none. Two that make it at once get the same. Raises ConfigError (2)."""
    with contextlib.suppress(FileExistsError):
        if not os.path.lexists(path):
            staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
            files.write_atomic(staged, secrets.token_bytes(KEY_BYTES).hex().encode() + b"\n")
            try:
                files.publish(staged, path)
            finally:
                staged.unlink(missing_ok=True)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            key = bytes.fromhex(file.read(1000).decode("ascii").strip())
    except (OSError, ValueError) as error:
        raise ConfigError(f"the key of the seals cannot be read: {path}: {error}") from error
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{path} holds {len(key)} bytes, a key has {KEY_BYTES}",
            hint="put the right file back from a copy; without it backups are believed only by their copies",
        )
    return key


def sealed(document: bytes, key: bytes) -> bytes:
    """A JSON object as ``json.dumps(…, indent=1)`` writes it, with a seal as its last member."""
    assert document.endswith(_END)
    body = document.removesuffix(_END)
    return body + f',\n "seal": "hmac-sha256 {_key_id(key)} {_mac(body, key)}"'.encode() + _END


def state(data: bytes, key: bytes) -> SealState:
    """Whether the seal of a document is this key's and fits every byte before it."""
    found = _SEAL.search(data[-200:])
    if found is None:
        return "none"
    body = data[: len(data) - (found.end() - found.start())]
    if hmac.compare_digest(_mac(body, key).encode(), found["mac"]):
        return "valid" if found["key"].decode() == _key_id(key) else "broken"
    return "broken" if found["key"].decode() == _key_id(key) else "another key"


def _mac(body: bytes, key: bytes) -> str:
    return hmac.new(key, b"ringfence seal 1\n" + body, hashlib.sha256).hexdigest()


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"ringfence key id\n" + key).hexdigest()[:8]
