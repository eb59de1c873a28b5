"""Agents that are known by name: how each is started without a person at it, its prompt on standard input.

They are told to ask nobody, because nobody is there; what they may do is the sandbox's and the guard's to say. So one
is refused without a sandbox (`checks`). Their models' hosts, sign-ins and ``ANTHROPIC_*``, ``OPENAI_*``, ``GEMINI_*``
variables are known to every agent (`sandbox.places`, `agents.environment`); here stands what is needed besides.

Sources: each agent's own reference of its command line, autumn 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

PresetName = Literal["claude", "codex", "gemini", "cursor-agent", "copilot"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """``pass_environment`` are variables that only this agent gets, ``allow_hosts`` are reached by all of the run."""

    command: tuple[str, ...]
    pass_environment: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    allow_read: tuple[str, ...] = ()


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "claude": Preset(
            command=("claude", "-p", "--permission-mode", "bypassPermissions"),
            # Claude Code bypasses nothing for root unless it is told that a sandbox is around it.
            pass_environment=("IS_SANDBOX",),
        ),
        "codex": Preset(command=("codex", "exec", "--dangerously-bypass-approvals-and-sandbox", "-")),
        "gemini": Preset(command=("gemini", "--yolo")),
        "cursor-agent": Preset(
            command=("cursor-agent", "-p", "--force", "--trust"),
            allow_hosts=("*.cursor.sh",),
            allow_read=("~/.cursor/rules",),
        ),
        # Its own token only: GH_TOKEN and GITHUB_TOKEN could push.
        "copilot": Preset(
            command=("copilot", "-s", "--no-ask-user", "--allow-all-tools"),
            pass_environment=("COPILOT_GITHUB_TOKEN",),
        ),
    }
)
