"""What may be shown: secrets masked, names from a database or an agent made harmless for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "****"
# Anchored at "://" and not at the scheme: a search for a scheme takes quadratic time on a long word.
_URL_PASSWORD = re.compile(r"(?P<head>://[^/\s:@]*:)(?P<secret>[^/\s]+)(?=@)")
_CONNINFO_PASSWORD = re.compile(r"(?P<head>password\s*=\s*)(?P<secret>'(?:[^'\\]|\\.)*'|[^\s'&]+)", re.IGNORECASE)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask the given secrets and anything that looks like a password in a URL, a connection string or a variable.

    Secrets shorter than 6 characters are left alone: masking ``a`` would destroy the text and reveal the secret.
    """
    for secret in sorted({s for s in secrets if len(s) >= 6}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _URL_PASSWORD.sub(lambda m: m["head"] + MASK, text)
    return _CONNINFO_PASSWORD.sub(lambda m: m["head"] + MASK, text)


def one_line(name: str) -> str:
    """A name on one line, control and direction characters escaped, so that it cannot forge output.

    A table may be called ``x\\nVERIFY OK`` or hold an escape sequence or a right-to-left mark.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def quote_ident(name: str) -> str:
    """An SQL identifier as a person would write it: quoted only where it must be."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        return name
    return '"' + one_line(name).replace('"', '""') + '"'
