"""The SQL that brings large objects back: their contents from the reference, their owners and rights from the baseline.

It is shown, not run, as for definitions: whatever refers to a large object does so by its number only, and nothing says
what that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from psycopg import sql

from ringfence.integrity.model import Attributes, State
from ringfence.integrity.state import read_state
from ringfence.integrity.state_rules import why_unreadable
from ringfence.postgres.connection import Connection

KIND = "large-object"
MOST_BYTES = 64 << 20
"""Of all contents together in one script, which has them in hexadecimal; what is beyond is left to `restore`."""
_RIGHT = re.compile(r"(?P<grantee>.+):(?P<right>SELECT|UPDATE)(?P<option>\*?) by ", re.S)


def mending(before: State, after: State, reference: Connection, *, seed: int) -> tuple[str, ...]:
    """Statements without a closing semicolon. An object whose contents the reference does not have as the baseline
    has them gets none. ``reference`` is a session in the reference's snapshot. Raises psycopg's errors."""
    old, new = _objects(before), _objects(after)
    differing = sorted((n for n in old.keys() | new.keys() if old.get(n) != new.get(n)), key=int)
    if not differing:
        return ()
    pristine = _objects(read_state(reference, seed=seed))
    texts: list[str] = []
    left = MOST_BYTES
    for number in differing:
        was, now = old.get(number), new.get(number)
        if was is None:
            texts.append(f"SELECT pg_catalog.lo_unlink({int(number)})")
            continue
        if now is None or _contents(was) != _contents(now):
            left -= int(was.get("bytes", 0))
            if left < 0 or number not in pristine or _contents(pristine[number]) != _contents(was):
                continue
            texts += _filled(int(number), reference, is_new=now is None)
        if now is None or now.get("owner") != was.get("owner"):
            texts.append(f"ALTER LARGE OBJECT {int(number)} OWNER TO {was['owner']}")
        if now is None:
            texts += _granted(int(number), was)
    return tuple(texts)


def _objects(state: State) -> Mapping[str, Attributes]:
    objects = state.get(KIND, {})
    return {} if why_unreadable(objects) else objects


def _contents(attributes: Attributes) -> tuple[object, object]:
    return attributes.get("digest"), attributes.get("bytes")


def _filled(number: int, reference: Connection, *, is_new: bool) -> Iterator[str]:
    row = reference.execute("SELECT pg_catalog.lo_get(%s::pg_catalog.oid)", (number,)).fetchone()
    data = sql.Literal(bytes(row[0]) if row else b"").as_string(None)
    if is_new:
        yield f"SELECT pg_catalog.lo_from_bytea({number}, {data})"
        return
    # 131072 is INV_WRITE; the object stays, with its rights and whatever refers to it.
    yield f"SELECT pg_catalog.lo_truncate64(pg_catalog.lo_open({number}, 131072), 0)"
    yield f"SELECT pg_catalog.lo_put({number}, 0, {data})"


def _granted(number: int, was: Attributes) -> Iterator[str]:
    for text in was.get("acl", ()):
        match = _RIGHT.match(text)
        if match and match["grantee"] != was.get("owner"):
            option = " WITH GRANT OPTION" if match["option"] else ""
            yield f"GRANT {match['right']} ON LARGE OBJECT {number} TO {match['grantee']}{option}"
