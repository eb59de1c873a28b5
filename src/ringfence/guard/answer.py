"""The agents' own forms: what each sends to a hook, and how each wants to be answered.

A wrong form lets the call through, so every form is tested with a recorded input (docs/how-to/agents.md). To allow, the
guard says as little as the form permits: an explicit "allow" would also skip the agent's own question to its user.
"""

from __future__ import annotations

import json

from ringfence.guard.verdict import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

AGENTS = ("claude", "codex", "cursor", "gemini", "copilot")

_SHELLS = frozenset(
    """
    bash shell run_shell_command local_shell exec_command powershell unified_exec write_stdin
    """.split()  # noqa: SIM905
)
_EDITS = frozenset(
    """
    write edit multiedit notebookedit write_file replace create str_replace strreplace str_replace_editor delete
    tabwrite apply_patch
    """.split()  # noqa: SIM905
)
_PATHS = ("file_path", "path", "filePath", "notebook_path", "absolute_path", "target_file")


class Asked:
    """What the agent wants to do in ``cwd``: run a ``command``, write ``files``, or use another ``tool``."""

    __slots__ = ("command", "cwd", "files", "texts", "tool")

    def __init__(self) -> None:
        self.command: str | None = None
        self.files: list[str] = []
        self.tool = ""
        self.texts: list[str] = []
        self.cwd = ""


def understood(event: Any) -> Asked:
    """What an event asks for. Raises `Refused` for an event whose form is not known: that must not mean yes."""
    if not isinstance(event, dict):
        raise Refused("the hook was given something else than one JSON object")
    asked = Asked()
    tool = _text(event, "tool_name", "toolName")
    given = event.get("tool_input", event.get("toolArgs", event.get("tool_args")))
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = json.loads(given)
        except ValueError:
            raise Refused("the arguments of the tool are not JSON") from None
    if not tool and isinstance(event.get("command"), str):
        tool, given = "shell", {"command": event["command"]}
    asked.tool = tool
    values = given if isinstance(given, dict) else {}
    asked.cwd = _directory(event, values)
    name = tool.lower().removeprefix("functions.")
    if name in _SHELLS:
        asked.command = _command(values, given)
    elif name in _EDITS:
        asked.files = _files(values, given)
    elif not tool:
        raise Refused("the hook was not told which tool it is about")
    else:
        asked.texts = list(_strings(given, 0))
    return asked


def _text(event: dict[str, Any], *names: str) -> str:
    for name in names:
        if isinstance(event.get(name), str):
            return str(event[name])
    return ""


def _directory(event: dict[str, Any], values: dict[str, Any]) -> str:
    cwd = _text(event, "cwd")
    if not cwd and isinstance(event.get("workspace_roots"), list) and event["workspace_roots"]:
        cwd = str(event["workspace_roots"][0])
    inner = _text(values, "working_directory", "workdir", "directory", "dir_path", "cwd")
    return (inner if inner.startswith("/") else f"{cwd}/{inner}") if inner else cwd


def _command(values: dict[str, Any], given: Any) -> str:
    command = values.get("command", values.get("cmd", values.get("script", values.get("chars"))))
    if isinstance(command, list) and all(isinstance(one, str) for one in command) and command:
        return " ".join("'" + one.replace("'", "'\\''") + "'" for one in command)
    if isinstance(command, str):
        return command
    if isinstance(given, str):
        return given
    raise Refused("the hook was not told which command it is about")


def _files(values: dict[str, Any], given: Any) -> list[str]:
    found = [values[name] for name in _PATHS if isinstance(values.get(name), str)]
    patch = given if isinstance(given, str) else values.get("input", values.get("patch", values.get("command", "")))
    if isinstance(patch, list):
        patch = "\n".join(one for one in patch if isinstance(one, str))
    if isinstance(patch, str):
        for line in patch.splitlines():
            for mark in ("*** Update File: ", "*** Add File: ", "*** Delete File: ", "*** Move to: "):
                if line.startswith(mark):
                    found.append(line[len(mark) :].strip())
    if not found:
        raise Refused("the hook was not told which file it is about")
    return found


def _strings(value: Any, depth: int) -> list[str]:
    if depth > 20:
        raise Refused("the arguments of the tool are nested too deeply")
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, one in value.items() for text in [str(key), *_strings(one, depth + 1)]]
    if isinstance(value, list):
        return [text for one in value for text in _strings(one, depth + 1)]
    return [f"{value}"] if isinstance(value, int) and not isinstance(value, bool) else []


def allow(agent: str) -> str:
    """What is printed for a call that the guard has nothing against; the exit status is 0."""
    if agent == "cursor":
        return '{"permission":"allow"}\n'  # Cursor takes no output for invalid JSON, and blocks
    return "{}\n" if agent == "gemini" else ""


def deny(agent: str, reason: str) -> str:
    """What is printed for a refusal; the exit status is 0 too, because every other form was seen to fail open."""
    document: dict[str, Any]
    if agent == "cursor":
        document = {"permission": "deny", "user_message": reason, "agent_message": reason}
    elif agent == "gemini":
        document = {"decision": "deny", "reason": reason}
    elif agent == "copilot":
        document = {"permissionDecision": "deny", "permissionDecisionReason": reason}
    else:
        inner = {"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": reason}
        document = {"hookSpecificOutput": inner}
    return json.dumps(document) + "\n"
