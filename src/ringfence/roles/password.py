"""Whether a password is the one the server would accept, told from the verifier it keeps (pure).

Any role may change its own password (PostgreSQL cannot forbid it), and an agent that does so locks the application out.
So the kept password is compared with the server's verifier, without logging in and without writing to a log.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Literal

Match = Literal["same", "other", "none", "unreadable"]

_SCRAM = re.compile(r"SCRAM-SHA-256\$(\d{1,8}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):[A-Za-z0-9+/=]+")
_MD5 = re.compile(r"md5[0-9a-f]{32}")


def compare(verifier: str | None, *, role: str, password: str) -> Match:
    """``same`` where the server would accept ``password`` for ``role``; ``none`` where it keeps no password at all.

    ``verifier`` is ``pg_authid.rolpassword``. RFC 5802: StoredKey = H(HMAC(SaltedPassword, "Client Key")).
    """
    if verifier is None:
        return "none"
    if _MD5.fullmatch(verifier):
        digest = hashlib.md5((password + role).encode(), usedforsecurity=False).hexdigest()
        return "same" if hmac.compare_digest(f"md5{digest}", verifier) else "other"
    found = _SCRAM.fullmatch(verifier)
    if found is None:
        return "unreadable"
    iterations, salt, stored = int(found[1]), base64.b64decode(found[2]), base64.b64decode(found[3])
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return "same" if hmac.compare_digest(key, stored) else "other"
