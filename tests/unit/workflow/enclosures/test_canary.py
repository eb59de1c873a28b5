"""The canary: only a refusal in the agent's own form, through the installed command line, counts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.agents import hook_settings
from ringfence.agents.hook_settings import FORMS
from ringfence.config.load import parse
from ringfence.config.model import Settings
from ringfence.config.paths import paths_for
from ringfence.config.template import initial_config
from ringfence.errors import ConfigError
from ringfence.workflow import guard, instructions
from ringfence.workflow.enclosures import canary
from ringfence.workflow.enclosures.canary import Trial

GUARD = Path(sys.executable).with_name("ringfence-guard")


class Place:
    """A work tree with settings, and the environment that its agents get."""

    def __init__(self, base: Path) -> None:
        self.root = base / "shop"
        self.root.mkdir()
        self.environment = {"HOME": str(base), "PATH": f"{GUARD.parent}:/usr/bin:/bin"}

    def settings(self, *agents: str, extra: str = "") -> Settings:
        text = initial_config()
        for number, program in enumerate(agents):
            text += f'\n[[workflow.agents]]\nname = "a{number}"\ncommand = ["{program}", "-p"]\n'
        return parse((text + extra).encode(), self.root / "ringfence.toml")

    def write_policy(self, settings: Settings) -> Path:
        place = paths_for(settings, self.environment).guard_policy
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(
            json.dumps(guard.policy_document(settings, paths_for(settings, self.environment), self.environment))
        )
        return place

    def tried(self, settings: Settings) -> tuple[Trial, ...]:
        return canary.try_hooks(settings, canary.runner(settings, self.environment, None))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path)


def test_every_agents_installed_hook_refuses(place: Place) -> None:
    settings = place.settings("/usr/local/bin/claude", "codex", "cursor-agent", "gemini", "copilot", "sh")
    instructions.sync(settings, environ=place.environment)
    place.write_policy(settings)
    trials = place.tried(settings)
    assert {t.agent: t.refuses for t in trials} == {"a5": None, **dict.fromkeys(FORMS, True)}, trials
    assert "sh has no hook" in next(t.said for t in trials if t.agent == "a5")
    canary.require_refusals(settings, trials)


@pytest.mark.parametrize(
    "line",
    [
        "true",
        "cat",
        "ringfence-guard --agent claude --project inventory || exit 2; true; exit 0",
        "ringfence-guard --agent gemini --project inventory || exit 2",
        "exit 1",
        "exit 127",
        "exit 2",
        'sleep 0; echo \'{"decision":"deny"}\'',
        "echo refused >&2; exit 2",
        "no-such-ringfence-guard || exit 2",
    ],
)
def test_a_hook_that_does_not_refuse_or_refuses_everything_is_no_guard(place: Place, line: str) -> None:
    settings = place.settings("claude")
    instructions.sync(settings, environ=place.environment)
    place.write_policy(settings)
    file = place.root / FORMS["claude"].file
    installed = hook_settings.command_line("claude", guard="ringfence-guard", project="inventory")
    changed = line if "ringfence-guard" in line else f"{line} # ringfence-guard"
    if line == "ringfence-guard --agent claude --project inventory || exit 2; true; exit 0":
        changed = changed.replace("ringfence-guard", "</dev/null ringfence-guard >/dev/null", 1)
    file.write_text(file.read_text().replace(json.dumps(installed), json.dumps(changed)))
    trials = place.tried(settings)
    assert [t.refuses for t in trials] == [False], trials
    with pytest.raises(ConfigError):
        canary.require_refusals(settings, trials)


def test_a_missing_policy_is_noticed(place: Place) -> None:
    settings = place.settings("claude")
    instructions.sync(settings, environ=place.environment)
    trials = place.tried(settings)
    assert trials[0].refuses is False and "refuses everything" in trials[0].said


def test_a_required_hook_that_is_missing_stops_the_run_and_another_does_not(place: Place) -> None:
    settings = place.settings("claude")
    trials = place.tried(settings)
    assert [t.refuses for t in trials] == [None]
    canary.require_refusals(settings, trials)
    required = place.settings("sh", extra='\n[guard]\nrequired = ["codex"]\n')
    with pytest.raises(ConfigError, match="codex"):
        canary.require_refusals(required, place.tried(required))
