"""Events as the agents send them to a hook (recorded forms; the command is put in), and how each is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def claude(command: str, cwd: str) -> dict[str, Any]:
    return {
        "session_id": "5d1b0c1e-1f1c-4d0e-8f0e-0c6c0b6f7a01",
        "transcript_path": "/home/ada/.claude/projects/shop/5d1b0c1e.jsonl",
        "cwd": cwd,
        "permission_mode": "bypassPermissions",
        "hook_event_name": "PreToolUse",
        "tool_name": "Bash",
        "tool_input": {"command": command, "description": "Run it", "timeout": 120000},
        "tool_use_id": "toolu_01A09q90qw90lq917835lq9",
        "agent_id": "a1b2c3",
    }


def codex(command: str, cwd: str) -> dict[str, Any]:
    return {
        "session_id": "019a",
        "turn_id": "7",
        "cwd": cwd,
        "hook_event_name": "PreToolUse",
        "model": "gpt-5-codex",
        "tool_name": "Bash",
        "tool_input": {"command": command},
        "tool_use_id": "call_x",
    }


def codex_list(command: str, cwd: str) -> dict[str, Any]:
    return {
        "cwd": cwd,
        "hook_event_name": "PreToolUse",
        "tool_name": "shell",
        "tool_input": {"command": ["bash", "-lc", command], "workdir": cwd},
    }


def cursor(command: str, cwd: str) -> dict[str, Any]:
    return {
        "conversation_id": "c",
        "generation_id": "g",
        "hook_event_name": "beforeShellExecution",
        "workspace_roots": [cwd],
        "command": command,
        "cwd": cwd,
    }


def cursor_tool(command: str, cwd: str) -> dict[str, Any]:
    return {
        "conversation_id": "c",
        "hook_event_name": "preToolUse",
        "workspace_roots": [cwd],
        "tool_name": "Shell",
        "tool_input": {"command": command, "working_directory": cwd},
    }


def gemini(command: str, cwd: str) -> dict[str, Any]:
    return {
        "session_id": "s",
        "transcript_path": "/tmp/t.json",
        "cwd": cwd,
        "hook_event_name": "BeforeTool",
        "timestamp": "2026-11-20T10:00:00Z",
        "tool_name": "run_shell_command",
        "tool_input": {"command": command, "description": "run"},
    }


def copilot(command: str, cwd: str) -> dict[str, Any]:
    return {
        "timestamp": 1763632800000,
        "cwd": cwd,
        "toolName": "bash",
        "toolArgs": json.dumps({"command": command, "description": "run"}),
    }


def deny_claude(answer: dict[str, Any]) -> str:
    inner = answer["hookSpecificOutput"]
    assert inner["hookEventName"] == "PreToolUse" and inner["permissionDecision"] == "deny"
    return str(inner["permissionDecisionReason"])


def deny_cursor(answer: dict[str, Any]) -> str:
    assert answer["permission"] == "deny" and answer["user_message"] == answer["agent_message"]
    return str(answer["agent_message"])


def deny_gemini(answer: dict[str, Any]) -> str:
    assert answer["decision"] == "deny"
    return str(answer["reason"])


def deny_copilot(answer: dict[str, Any]) -> str:
    assert answer["permissionDecision"] == "deny"
    return str(answer["permissionDecisionReason"])


EVENTS: list[tuple[str, Callable[[str, str], dict[str, Any]], Callable[[dict[str, Any]], str], bytes]] = [
    ("claude", claude, deny_claude, b""),
    ("codex", codex, deny_claude, b""),
    ("codex", codex_list, deny_claude, b""),
    ("cursor", cursor, deny_cursor, b'{"permission":"allow"}\n'),
    ("cursor", cursor_tool, deny_cursor, b'{"permission":"allow"}\n'),
    ("gemini", gemini, deny_gemini, b"{}\n"),
    ("copilot", copilot, deny_copilot, b""),
]
"""Agent, its event, how a refusal is read, and what stands on standard output where nothing is refused."""
