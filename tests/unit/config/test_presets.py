from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.agents.environment import ALLOWED
from ringfence.config.load import parse
from ringfence.config.presets import PRESETS
from ringfence.errors import ConfigError

HEAD = 'project = "p"\n[production]\n[test]\n'


def settings(text: str):
    return parse((HEAD + text).encode(), Path("/p/ringfence.toml"))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fills_in_the_command(name: str) -> None:
    (agent,) = settings(f'[[workflow.agents]]\nname = "a"\npreset = "{name}"\n').workflow.agents
    assert agent.command == PRESETS[name].command and agent.command[0] == name


def test_a_command_that_is_given_stays() -> None:
    text = '[[workflow.agents]]\nname = "a"\npreset = "claude"\ncommand = ["claude", "-p", "--agent", "a"]\n'
    assert settings(text).workflow.agents[0].command[-1] == "a"


def test_no_preset_passes_a_token_that_could_push() -> None:
    passed = {name for preset in PRESETS.values() for name in preset.pass_environment} | ALLOWED
    assert not passed & {"GH_TOKEN", "GITHUB_TOKEN", "GITHUB_PAT"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[workflow.agents]]\nname = "a"\npreset = "clod"\n', "preset"),
        ('[[workflow.agents]]\nname = "a"\n', "command"),
        ('[sandbox]\nmode = "none"\n[[workflow.agents]]\nname = "a"\npreset = "claude"\n', "asks nobody"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(text)
    assert words in caught.value.message
