"""Files encrypted as a stream of chunks, so that a dump of any size needs the memory of one.

The construction is STREAM, as age uses it: every chunk is sealed with ChaCha20-Poly1305 under a key that is derived for
this file alone; the nonce is the chunk's number and whether it is the last one. So a chunk that was changed, moved,
left out or added, and a file that was cut, are all noticed. What is given out before the end is authentic as far as it
goes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator

from ringfence.errors import BackupError

MAGIC = b"ringfence encrypted 1\n"
SALT_BYTES = 32
CHUNK_BYTES = 1 << 20
_TAG_BYTES = 16


def encrypted(chunks: Iterable[bytes], key: bytes, *, name: str) -> Iterator[bytes]:
    """The file's bytes, encrypted for one name: under another name it cannot be read. Raises BackupError (5)."""
    salt = secrets.token_bytes(SALT_BYTES)
    cipher = _cipher(_file_key(key, salt, name))
    yield MAGIC + salt
    for number, (block, is_last) in enumerate(_blocks(chunks, CHUNK_BYTES)):
        yield cipher.encrypt(_nonce(number, is_last), block, None)


def decrypted(chunks: Iterable[bytes], key: bytes, *, name: str) -> Iterator[bytes]:
    """What `encrypted` was given. Raises BackupError (5) for a wrong key and for anything that was changed."""
    buffer, source = b"", iter(chunks)
    head = len(MAGIC) + SALT_BYTES
    while len(buffer) < head:
        piece = next(source, None)
        if piece is None:
            raise BackupError(f"{name} in the mirror is cut: it has {len(buffer)} bytes")
        buffer += piece
    if not buffer.startswith(MAGIC):
        raise BackupError(f"{name} in the mirror is not encrypted as this version does it")
    cipher = _cipher(_file_key(key, buffer[len(MAGIC) : head], name))
    rest = buffer[head:]
    for number, (block, is_last) in enumerate(_blocks(_after(rest, source), CHUNK_BYTES + _TAG_BYTES)):
        try:
            yield cipher.decrypt(_nonce(number, is_last), block, None)
        except _invalid_tag() as error:
            raise BackupError(
                f"{name} in the mirror cannot be decrypted (chunk {number + 1}): it was changed or cut, or the key is "
                "another one",
                hint="the key is mirror.key in the project's configuration directory",
            ) from error


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _blocks(chunks: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """Blocks of exactly this size, the last one shorter or not; at least one, which may be empty."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) > size:
            yield bytes(buffer[:size]), False
            del buffer[:size]
    yield bytes(buffer), True


def _file_key(key: bytes, salt: bytes, name: str) -> bytes:
    """HKDF-SHA256 (RFC 5869) with one block of output."""
    extracted = hmac.new(salt, key, hashlib.sha256).digest()
    return hmac.new(extracted, b"ringfence mirror " + name.encode() + b"\x01", hashlib.sha256).digest()


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if is_last else b"\x00")


def _cipher(key: bytes):  # type: ignore[no-untyped-def]
    try:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    except ImportError as error:
        raise BackupError(
            "an encrypted mirror needs the package cryptography", hint="pip install 'ringfence[mirror]'"
        ) from error
    return ChaCha20Poly1305(key)


def _invalid_tag() -> type[Exception]:
    from cryptography.exceptions import InvalidTag

    return InvalidTag
