"""The version of the objects behind ``--json``, and the object of a failure. It knows no room, so it costs nothing."""

from __future__ import annotations

from typing import Any

from ringfence.errors import RingfenceError

SCHEMA = 1


def error(problem: RingfenceError) -> dict[str, Any]:
    """What stands on stdout when a command fails."""
    return {
        "schema": SCHEMA,
        "error": {"code": problem.exit_code, "message": problem.message, "hint": problem.hint},
    }
