"""The guard in the agents' own settings files: put there without touching the rest, and found again (pure).

A settings file belongs to people. An entry is inserted into its text where it belongs; nothing is formatted anew, and
what cannot be read as JSON (comments) is left alone and said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

HookedAgent = Literal["claude", "codex", "cursor", "gemini", "copilot"]
GUARD = "ringfence-guard"
_TIMEOUT_S = 10
_SWITCHES: tuple[tuple[str, bool], ...] = (
    ("disableAllHooks", True),
    ("hooksConfig.enabled", False),
    ("tools.enableHooks", False),
    ("hooks.enabled", False),
)
_DECODER = json.JSONDecoder()
_BOM = "\ufeff"


@dataclass(frozen=True, kw_only=True)
class Form:
    """Where an agent's hooks stand: its ``file``, what in the work tree says that it is in use, its program's name."""

    agent: HookedAgent
    file: str
    in_use: tuple[str, ...]
    programs: tuple[str, ...]


FORMS: Mapping[HookedAgent, Form] = MappingProxyType(
    {
        "claude": Form(
            agent="claude", file=".claude/settings.json", in_use=(".claude", "CLAUDE.md"), programs=("claude",)
        ),
        "codex": Form(agent="codex", file=".codex/hooks.json", in_use=(".codex",), programs=("codex",)),
        "cursor": Form(
            agent="cursor",
            file=".cursor/hooks.json",
            in_use=(".cursor", ".cursorrules"),
            programs=("cursor-agent", "cursor", "agent"),
        ),
        "gemini": Form(
            agent="gemini", file=".gemini/settings.json", in_use=(".gemini", "GEMINI.md"), programs=("gemini",)
        ),
        "copilot": Form(
            agent="copilot",
            file=".github/hooks/ringfence.json",
            in_use=(".github/copilot-instructions.md", ".github/hooks"),
            programs=("copilot",),
        ),
    }
)


class SettingsError(ValueError):
    """A settings file that cannot be extended; the message says why."""


def command_line(agent: HookedAgent, *, guard: str, project: str) -> str:
    """What the agent's shell runs. Whatever keeps the guard from answering ends with 2, the status that blocks."""
    program = guard if re.fullmatch(r"[\w./+-]+", guard) else "'" + guard.replace("'", "'\\''") + "'"
    return f"{program} --agent {agent} --project {project} || exit 2"


def entries(agent: HookedAgent, command: str) -> list[tuple[tuple[str, ...], Any]]:
    """The arrays of an agent's settings, each with the entry that belongs into it."""
    hook: dict[str, Any] = {"type": "command", "command": command, "timeout": _TIMEOUT_S}
    if agent == "claude":
        matcher = "Bash|Write|Edit|MultiEdit|NotebookEdit|mcp__.*"
        return [(("hooks", "PreToolUse"), {"matcher": matcher, "hooks": [{**hook, "onFailure": "block"}]})]
    if agent == "codex":
        return [(("hooks", "PreToolUse"), {"matcher": "Bash|apply_patch|mcp__.*", "hooks": [hook]})]
    if agent == "cursor":
        entry = {"command": command, "timeout": _TIMEOUT_S, "failClosed": True}
        return [(("hooks", "beforeShellExecution"), entry), (("hooks", "beforeMCPExecution"), entry)]
    if agent == "gemini":
        gemini = {"name": "ringfence", "type": "command", "command": command, "timeout": _TIMEOUT_S * 1000}
        return [
            (("hooks", "BeforeTool"), {"matcher": "run_shell_command|write_file|replace|mcp_.*", "hooks": [gemini]})
        ]
    return [(("hooks", "preToolUse"), {"type": "command", "bash": command, "timeoutSec": _TIMEOUT_S})]


def installed(agent: HookedAgent, text: str) -> list[str]:
    """The command lines of the guard in a settings file, as the agent would run them. Raises `SettingsError`."""
    document = _document(text)
    found: list[str] = []
    for path, _ in entries(agent, ""):
        for entry in _array(document, path):
            found += [command for command in _commands(entry) if GUARD in command]
    return list(dict.fromkeys(found))


def objections(agent: HookedAgent, text: str, *, project: str) -> list[str]:
    """What keeps the guard in a settings file from doing its work; empty where it is there as `merged` writes it.

    Raises `SettingsError`.
    """
    document = _document(text)
    found = [f"{name} switches the hooks off" for name, value in _SWITCHES if _value(document, name) is value]
    for path, _ in entries(agent, ""):
        ours = [e for e in _array(document, path) if any(GUARD in c for c in _commands(e))]
        for entry in ours:
            command = next(c for c in _commands(entry) if GUARD in c)
            if not is_ours(agent, command, project=project):
                found.append("the guard is called in another way than 'agents sync' writes it")
            elif entry not in [e for p, e in entries(agent, command) if p == path]:
                found.append("the entry of the guard was changed: it has another matcher, time limit or more")
        if not ours:
            found.append(f"the guard is not among the hooks of {path[-1]}")
    return found


def is_ours(agent: HookedAgent, command: str, *, project: str) -> bool:
    """Whether a command line is one that `command_line` makes, wherever the guard lies."""
    ending = command_line(agent, guard="", project=project).removeprefix("''")
    program = command.removesuffix(ending)
    return program != command and re.fullmatch(rf"[\w./+-]*{GUARD}|'[^']*/{GUARD}'", program) is not None


def _value(document: Mapping[str, Any], name: str) -> Any:
    value: Any = document
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def merged(agent: HookedAgent, text: str | None, command: str) -> str:
    """The settings with the guard's entries in them; the same text where they are there already.

    ``text`` is None where there is no file. Raises `SettingsError` for a file that cannot be read, or whose values are
    not of the kind that the agent expects.
    """
    if text is None or not text.removeprefix(_BOM).strip():
        text = (text or "") + ('{\n  "version": 1\n}\n' if agent in ("cursor", "copilot") else "{}\n")
    for path, entry in entries(agent, command):
        document = _document(text)
        ours = [one for one in _array(document, path) if any(GUARD in c for c in _commands(one))]
        if ours:
            for entry_ in ours:
                command_ = next(c for c in _commands(entry_) if GUARD in c)
                if entry_ not in [e for p, e in entries(agent, command_) if p == path]:
                    raise SettingsError("its entry of the guard was changed by hand; remove the entry first")
            for old in dict.fromkeys(c for one in ours for c in _commands(one) if GUARD in c and c != command):
                text = _exchanged(text, old, command)
            continue
        wanted = json.loads(json.dumps(document))
        _put(wanted, path, entry)
        text = _inserted(text, path, entry)
        if _document(text) != wanted:
            raise SettingsError("the entry could not be put in without touching something else")
    return text


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text.removeprefix(_BOM))
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"it is not plain JSON ({error})") from None
    if not isinstance(document, dict):
        raise SettingsError("it holds something else than an object")
    return document


def _array(document: Mapping[str, Any], path: tuple[str, ...]) -> list[Any]:
    value: Any = document
    for key in path:
        if not isinstance(value, dict):
            raise SettingsError(f"{key} stands below something else than an object")
        value = value.get(key, {} if key != path[-1] else [])
    if not isinstance(value, list):
        raise SettingsError(f"{'.'.join(path)} is no list")
    return value


def _commands(entry: Any) -> list[str]:
    """The command lines in an entry, whichever form it has."""
    if not isinstance(entry, dict):
        return []
    own = [entry[key] for key in ("command", "bash") if isinstance(entry.get(key), str)]
    inner = entry.get("hooks")
    return own + [c for one in inner for c in _commands(one)] if isinstance(inner, list) else own


def _exchanged(text: str, old: str, new: str) -> str:
    for form in (json.dumps(old), json.dumps(old, ensure_ascii=False)):
        if form in text:
            return text.replace(form, json.dumps(new))
    raise SettingsError("an older command of the guard is written in a way that cannot be exchanged")


def _put(document: dict[str, Any], path: tuple[str, ...], entry: Any) -> None:
    value: Any = document
    for key in path[:-1]:
        value = value.setdefault(key, {})
    value.setdefault(path[-1], []).append(entry)


def _inserted(text: str, path: tuple[str, ...], entry: Any) -> str:
    """The text with an entry at the end of the array at ``path``; what is missing of the path is written with it."""
    at = _skip(text, 1 if text.startswith(_BOM) else 0)
    for depth, key in enumerate(path):
        members, closing = _members(text, at)
        if key not in members:
            value: Any = [entry]
            for outer in reversed(path[depth + 1 :]):
                value = {outer: value}
            return _added(text, at, closing, depth, json.dumps(key) + ": ", value, empty=not members)
        at = members[key]
    last, closing = _elements(text, at)
    return _added(text, at, closing, len(path), "", entry, empty=last is None)


def _added(text: str, opening: int, closing: int, depth: int, head: str, value: Any, *, empty: bool) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    unit = _unit(text)
    if not empty and "\n" not in text[opening:closing]:
        kept = text[opening:closing].rstrip()
        return f"{text[:opening]}{kept}, {head}{json.dumps(value)}{text[opening + len(kept) : closing]}{text[closing:]}"
    lines = json.dumps(value, indent=unit).split("\n")
    inner, outer = unit * (depth + 1), unit * depth
    written = head + (newline + inner).join(lines)
    body = text[opening + 1 : closing].rstrip()
    joint = "," if not empty else ""
    return f"{text[: opening + 1]}{body}{joint}{newline}{inner}{written}{newline}{outer}{text[closing:]}"


def _unit(text: str) -> str:
    found = re.search(r"\n([ \t]+)\S", text)
    return found[1] if found else "  "


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _members(text: str, at: int) -> tuple[dict[str, int], int]:
    """Where the values of the object at ``at`` begin, by key, and where it is closed."""
    found: dict[str, int] = {}
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        found[key] = at
        at = _skip(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found, at


def _elements(text: str, at: int) -> tuple[int | None, int]:
    """Where the last element of the array at ``at`` begins, and where the array is closed."""
    last = None
    at = _skip(text, at + 1)
    while text[at] != "]":
        last = at
        at = _skip(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip(text, at + 1)
    return last, at
