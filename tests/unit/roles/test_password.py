"""Verifiers: the example of RFC 7677, md5, and what is no verifier."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from ringfence.roles.password import compare


def scram(password: str, salt: bytes = b"0123456789abcdef", iterations: int = 4096) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(p).decode() for p in (salt, stored, server))
    salt_text, stored_text, server_text = parts
    return f"SCRAM-SHA-256${iterations}:{salt_text}${stored_text}:{server_text}"


def test_the_example_of_the_rfc() -> None:
    # RFC 7677: user, pencil, salt W22ZaJ0SNY7soEsUEjb6gQ==, 4096 rounds; the proof there follows from this StoredKey.
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    assert compare(scram("pencil", salt), role="user", password="pencil") == "same"
    assert compare(scram("pencil", salt), role="user", password="pencils") == "other"


@pytest.mark.parametrize(
    ("verifier", "expected"),
    [
        (None, "none"),
        ("md5" + hashlib.md5(b"secretapp").hexdigest(), "same"),
        ("md5" + hashlib.md5(b"secretother").hexdigest(), "other"),
        ("secret", "unreadable"),
        ("SCRAM-SHA-256$4096:x", "unreadable"),
    ],
)
def test_other_verifiers(verifier: str | None, expected: str) -> None:
    assert compare(verifier, role="app", password="secret") == expected
