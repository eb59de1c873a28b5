"""What the guard refused during a run, for the run's report: one line of JSON each in a file in the work tree.

The workflow makes the file when agents begin and takes it away when they are done; where there is none, no run goes on
and nothing is kept. It lies where the sandbox lets a hook write, so an agent could write it, too: it is told to people
as what the hooks said, and nothing is decided by it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.guard.answer import Asked

DIRECTORY = (".agents", "outputs")
NAME = "guard-refusals.jsonl"
MOST_BYTES = 256 << 10
_MOST_CHARS = 1000


def remember(root: str, asked: Asked, reason: str, *, agent: str, environ: Mapping[str, str]) -> None:
    """Append one refusal. Never raises, never waits: a refusal that could not be kept is a refusal all the same."""
    line = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "agent": environ.get("RINGFENCE_AGENT") or agent,
        "what": _what(asked)[:_MOST_CHARS],
        "reason": reason[:_MOST_CHARS],
    }
    with contextlib.suppress(OSError, ValueError):
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(os.path.join(root, *DIRECTORY, NAME), flags)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_size < MOST_BYTES:
                os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)


def _what(asked: Asked) -> str:
    """The command, the files or the tool with its arguments, as the agent asked for it."""
    if asked.command is not None:
        return asked.command
    return " ".join([asked.tool, *(asked.files or asked.texts)])
