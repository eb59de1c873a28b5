"""The guard in settings files: put in without touching anything else, found again, and noticed when it was changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ringfence.agents import hook_settings
from ringfence.agents.hook_settings import FORMS, SettingsError

AGENTS = list(FORMS)
TEXTS = [
    None,
    "",
    "{}",
    "{}\n",
    '{"a": 1}',
    '{\n  "a": 1\n}\n',
    '{\r\n\t"a": {"b": [1, 2]},\r\n\t"hooks": {}\r\n}\r\n',
    '\ufeff{"hooks": {"Stop": []}}',
    '{"hooks":{"PreToolUse":[],"BeforeTool":[],"beforeShellExecution":[],"preToolUse":[]},"version":1}',
    '{\n    "hooks": {\n        "PreToolUse": [\n            {"hooks": []}\n        ]\n    },\n    "x": "} ] \\" {"\n}',
    '{"hooks": {"PreToolUse": [ {"matcher": "x", "hooks": [{"type": "command", "command": "lint || exit 0"}]} ]}}',
]


@pytest.mark.parametrize("agent", AGENTS)
def test_an_entry_is_added_and_nothing_else_changes(agent: Any) -> None:
    line = hook_settings.command_line(agent, guard="ringfence-guard", project="shop")
    for text in TEXTS:
        made = hook_settings.merged(agent, text, line)
        before = json.loads((text or "").removeprefix("\ufeff") or "{}")
        after = json.loads(made.removeprefix("\ufeff"))
        assert hook_settings.installed(agent, made) == [line]
        assert hook_settings.objections(agent, made, project="shop") == []
        assert hook_settings.merged(agent, made, line) == made
        for path, entry in hook_settings.entries(agent, line):
            assert after[path[0]][path[1]].pop() == entry
            if path[1] not in before.get("hooks", {}):
                assert after["hooks"].pop(path[1]) == []
        if "hooks" not in before:
            assert after.pop("hooks") == {}
        if agent in ("cursor", "copilot") and not before:
            after.pop("version", None)
        assert after == before
        if text and text.strip():
            # Every line that was there is there still, in the same order (a comma may have come to its end).
            lines = iter(made.replace("\r\n", "\n").split("\n"))
            kept = [one for one in text.replace("\r\n", "\n").split("\n") if len(one.strip()) > 3 and "{}" not in one]
            if len(kept) > 1:
                assert all(any(new.rstrip(",") == old.rstrip(",") for new in lines) for old in kept), made
        assert ("\r\n" in made) == ("\r\n" in (text or ""))


def test_an_older_command_is_exchanged() -> None:
    old = hook_settings.command_line("claude", guard="/old place/ringfence-guard", project="shop")
    new = hook_settings.command_line("claude", guard="ringfence-guard", project="shop")
    text = hook_settings.merged("claude", '{"x": "ringfence-guard"}', old)
    made = hook_settings.merged("claude", text, new)
    assert hook_settings.installed("claude", made) == [new] and json.loads(made)["x"] == "ringfence-guard"


@pytest.mark.parametrize(
    "text", ["{", "// comment\n{}", "[]", '{"hooks": []}', '{"hooks": {"PreToolUse": {}}}', "[" * 99999]
)
def test_what_cannot_be_extended_is_left_alone(text: str) -> None:
    with pytest.raises(SettingsError):
        hook_settings.merged("claude", text, "ringfence-guard")


def test_an_entry_that_was_changed_is_noticed() -> None:
    line = hook_settings.command_line("claude", guard="/opt/x/ringfence-guard", project="shop")
    text = hook_settings.merged("claude", None, line)
    assert hook_settings.objections("claude", text, project="shop") == []
    changed = [
        text.replace("/opt/x/ringfence-guard", "true; /opt/x/ringfence-guard"),
        text.replace("exit 2", "exit 0"),
        text.replace("|| exit 2", "|| true"),
        text.replace("--project shop", "--project other"),
        text.replace("--agent claude", "--agent gemini"),
        text.replace("Bash|", "Nothing|"),
        text.replace('"timeout": 10', '"timeout": 1'),
        text.replace('"onFailure": "block"', '"onFailure": "allow"'),
        text.replace("{\n", '{\n  "disableAllHooks": true,\n', 1),
        text.replace("PreToolUse", "PostToolUse"),
    ]
    for one in changed:
        assert one != text
        assert hook_settings.objections("claude", one, project="shop"), one


def test_a_program_with_a_strange_path_is_quoted() -> None:
    line = hook_settings.command_line("codex", guard="/a b/it's/ringfence-guard", project="shop")
    assert line.startswith("'/a b/it'\\''s/ringfence-guard' --agent")
