"""The database-safety section in agents' instruction files: its text, and putting it between its markers (pure).

What people wrote around the markers is kept byte for byte: line endings, byte order mark, a missing final newline. The
first marker holds a digest of the section, so that a section of another version (stale) is told from one that somebody
changed (edited).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from typing import Literal

from ringfence.redact import one_line

SHARED_CONTEXT = "docs/agents/SHARED-CONTEXT.md"
State = Literal["current", "missing", "stale", "edited", "broken"]

_BEGIN = "<!-- ringfence:begin {digest} (written by 'ringfence agents sync'; changes here are lost) -->"
_END = "<!-- ringfence:end -->"
_BEGIN_PATTERN = re.compile(rb"<!-- ringfence:begin (\S+) [^\n]*-->")
_BOM = b"\xef\xbb\xbf"
_SECTION = """\
## Database safety

- Work on the test database only: `{test_database}` on {test_host}, port {test_port}, role `{test_role}`.
  During a run `DATABASE_URL`, `TEST_DATABASE_URL` and the `PG*` variables name it already.
- Name it in every command that needs a database: `psql "$TEST_DATABASE_URL"`, or
  `DATABASE_URL="$TEST_DATABASE_URL" npx prisma migrate reset`. Where the variables are not set:
  `postgresql://{test_role}@{test_host}:{test_port}/{test_database}`.
- Production (`{production_database}`, port {production_port}, web port {production_web_port}) is out of bounds: no
  connection, dump, restore, migration or container command. Every row of it is compared with its baseline when you
  are done.
- End-to-end tests use relative URLs; `TEST_BASE_URL` is http://127.0.0.1:{test_web_port}. Port
  {production_web_port} never stands in test code.
- Leave `{backups}/`, `ringfence.toml`, the agents' settings and git's hooks as they are. Commit, but do not push: the
  workflow pushes after it found production unchanged.
- A command that is refused is not to be tried in another way: the refusal says what to write instead.
- More, for all agents: `{shared}`.
"""
_SHARED = """\
## Environments of {project}

| | database | port | web port | for agents |
|---|---|---|---|---|
| production | `{production_database}` | {production_port} | {production_web_port} | never |
| test | `{test_database}` | {test_port} | {test_web_port} | anything |

- The test database is made anew from a backup of production before every run. Break it, drop it, reset it:
  `ringfence reseed` makes it again.
- A database client or a migration tool runs only when its target is proven to be the test database. A target that is
  not named is refused, and so is a script, a pipe or an encoded text of which it cannot be seen where it leads.
- `DATABASE_URL` in a command goes before `.env`. If `.env` names production, say so in your report; do not work around
  it.
- If a task needs production (a migration there, a look at real data), stop and say so. People do that, after
  `ringfence backup create`.
- Before you are done: no process of yours is running, test code holds no address, `ringfence agents check` finds
  nothing.

If something did happen to production: stop, touch nothing more, and say exactly what you ran. `ringfence diff` shows
the rows that differ, and people put them back.
"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the section says of a project."""

    project: str
    production_database: str
    production_port: int
    production_web_port: int
    test_host: str
    test_port: int
    test_database: str
    test_role: str
    test_web_port: int
    backups: str


def section(facts: Facts) -> str:
    """The database-safety section for every agent file; no secret is in it."""
    return _SECTION.format_map(_words(facts))


def shared_context(facts: Facts) -> str:
    """The section of SHARED-CONTEXT.md: what all agents of the project share."""
    return _SHARED.format_map(_words(facts))


def _words(facts: Facts) -> dict[str, str]:
    """The facts as words in a text: on one line each, so that a name cannot forge another line."""
    return {name: one_line(str(value)) for name, value in asdict(facts).items()} | {"shared": SHARED_CONTEXT}


def block(text: str) -> str:
    """A section between its markers, without a final newline."""
    return f"{_BEGIN.format(digest=_digest(text))}\n{text.rstrip()}\n{_END}"


def state(content: bytes, text: str) -> State:
    """How the section stands in a file."""
    found = _find(content)
    if found is None:
        return "missing"
    if found == "broken":
        return "broken"
    begin, end = found
    inside = content[begin:end].replace(b"\r\n", b"\n")
    if inside == block(text).encode():
        return "current"
    first, _, rest = inside.partition(b"\n")
    marked = _BEGIN_PATTERN.fullmatch(first)
    body = rest.removesuffix(_END.encode()).decode("utf-8", "replace")
    return "stale" if marked and marked[1].decode("ascii", "replace") == _digest(body) else "edited"


def placed(content: bytes, text: str) -> bytes:
    """The file with the current section: put in place of the one that is there, else after everything.

    Raises ValueError where the markers do not belong together.
    """
    found = _find(content)
    if found == "broken":
        raise ValueError("the markers of the section do not belong together")
    around = content[slice(*found)] if found is not None else content
    newline = b"\r\n" if around.count(b"\r\n") * 2 > around.count(b"\n") else b"\n"
    written = block(text).encode().replace(b"\n", newline)
    if found is not None:
        begin, end = found
        return content[:begin] + written + content[end:]
    if not content.removeprefix(_BOM).strip():
        return content + written + newline
    gap = b"" if content.endswith(b"\n") else newline
    return content + gap + newline + written + newline


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()[:12]


def _find(content: bytes) -> tuple[int, int] | Literal["broken"] | None:
    """Where the block begins and ends."""
    begins = list(_BEGIN_PATTERN.finditer(content))
    ends = [m.start() for m in re.finditer(re.escape(_END.encode()), content)]
    if not begins and not ends and b"<!-- ringfence:begin" not in content:
        return None
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0].end():
        return "broken"
    return begins[0].start(), ends[0] + len(_END)
