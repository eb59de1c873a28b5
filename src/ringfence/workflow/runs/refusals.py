"""What agents tried and were refused, by the guard in their hooks and by the sandbox, for the journal and the report.

What the guard says comes out of a file that agents could have written themselves (see `guard.refusals`): it is shown,
bounded and on one line, and nothing is decided by it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

from ringfence.agents import places
from ringfence.agents.model import AgentResult
from ringfence.errors import RingfenceError
from ringfence.guard.refusals import DIRECTORY, MOST_BYTES, NAME
from ringfence.journal.log import Journal
from ringfence.redact import one_line, redact
from ringfence.workflow.project import Project

MOST = 50
"""How many different refusals are kept of one agent."""
_MOST_CHARS = 500


def begin(project: Project) -> str | None:
    """Have the hooks keep what they refuse from now on; why that is not possible, or None."""
    try:
        with places.directory(project.settings.root, DIRECTORY) as parent:
            _remove(parent)
            os.close(places.create(NAME, parent))
    except (OSError, RingfenceError) as error:
        return f"what hooks refuse is not kept: {error}"
    return None


def keep(project: Project, journal: Journal, result: AgentResult | None, secrets: Iterable[str], *, again: bool) -> int:
    """Put on record what was refused since `begin` or the last call, and say how much it was.

    ``result`` is the agent it belongs to; without one (``post``), the hooks say whose it was. ``again`` has the hooks
    go on, else the file is gone afterwards.
    """
    told = _of_guard(project, again=again)
    if result is not None:
        told = [{**one, "agent": result.name} for one in told]
        told += [
            {
                "by": "sandbox",
                "agent": result.name,
                "what": destination,
                "reason": "it is no address that agents may reach",
            }
            for destination in result.refused
        ]
    found = together(told, tuple(secrets))
    if found:
        journal.refused(found)
    return len(found)


def together(told: Sequence[dict[str, str]], secrets: Sequence[str]) -> list[dict[str, Any]]:
    """Refusals ready to be kept (pure): on one line, secrets masked, each once with how often, at most `MOST`.

    What is left out is counted by a last entry without a command.
    """
    times: dict[tuple[str, str, str, str], int] = {}
    for one in told:
        by, agent, what, reason = (_said(one[key], secrets) for key in ("by", "agent", "what", "reason"))
        key = (by, agent, what, reason)
        times[key] = times.get(key, 0) + 1
    found: list[dict[str, Any]] = [
        {"by": by, "agent": agent, "what": what, "reason": reason, "times": count}
        for (by, agent, what, reason), count in list(times.items())[:MOST]
    ]
    if len(times) > MOST:
        last = found[-1]
        more = f"{len(times) - MOST} more are not kept"
        found.append({"by": last["by"], "agent": last["agent"], "what": "", "reason": more, "times": 1})
    return found


def _of_guard(project: Project, *, again: bool) -> list[dict[str, str]]:
    try:
        with places.directory(project.settings.root, DIRECTORY) as parent:
            content = places.read(NAME, parent)
            if content is None:
                return []
            _remove(parent)
            if again:
                os.close(places.create(NAME, parent))
    except (OSError, ValueError, RingfenceError):
        return []
    return [one for one in map(_line, content[: 2 * MOST_BYTES].splitlines()) if one is not None]


def _line(line: bytes) -> dict[str, str] | None:
    """One refusal; None for a line that no hook has written."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not all(isinstance(said.get(k), str) for k in ("agent", "what", "reason")):
        return None
    return {"by": "guard", "agent": said["agent"], "what": said["what"], "reason": said["reason"]}


def _remove(parent: int) -> None:
    """Whatever has the name is gone afterwards: a file is removed, a directory set aside."""
    with contextlib.suppress(FileNotFoundError):
        try:
            os.unlink(NAME, dir_fd=parent)
        except OSError:
            places.set_aside(NAME, "", parent)


def _said(text: str, secrets: Sequence[str]) -> str:
    shown = one_line(redact(text[: 4 * _MOST_CHARS], secrets))
    return shown if len(shown) <= _MOST_CHARS else f"{shown[: _MOST_CHARS - 1]}…"
