"""A harmless command that must be refused, in each agent's own form, and whether it was (pure).

A hook that does not run says nothing, and that looks like "allowed". So before agents start, the very command line in
the agent's settings is given this event; only a refusal on record lets the run go on.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def refusable(port: int, database: str) -> str:
    """A command that only looks, on production: refused by every guard, and harmless where none refuses it."""
    return f"psql -h 127.0.0.1 -p {port} -d {database} -c 'select 1'"


def event(agent: str, command: str, cwd: str) -> bytes:
    """What the agent would send to its hook for this command."""
    given = {"command": command, "description": "ringfence canary"}
    document: dict[str, Any]
    if agent == "cursor":
        document = {"hook_event_name": "beforeShellExecution", "command": command, "cwd": cwd, "workspace_roots": [cwd]}
    elif agent == "copilot":
        document = {"cwd": cwd, "toolName": "bash", "toolArgs": json.dumps(given)}
    else:
        tool, name = ("run_shell_command", "BeforeTool") if agent == "gemini" else ("Bash", "PreToolUse")
        document = {"session_id": "canary", "cwd": cwd, "hook_event_name": name, "tool_name": tool, "tool_input": given}
    return json.dumps(document).encode()


def is_refusal(agent: str, exit_code: int, stdout: str, stderr: str) -> bool:
    """Whether the agent would take this answer for a refusal (as of November 2026; every other answer lets through)."""
    if exit_code == 2:
        return bool(stderr.strip())
    if exit_code != 0:
        return False
    try:
        answer = json.loads(stdout)
    except ValueError:
        return False
    if not isinstance(answer, dict):
        return False
    if agent == "cursor":
        return answer.get("permission") == "deny"
    if agent == "gemini":
        return answer.get("decision") == "deny"
    if agent == "copilot":
        return answer.get("permissionDecision") == "deny"
    inner = answer.get("hookSpecificOutput")
    return isinstance(inner, dict) and inner.get("permissionDecision") == "deny"
