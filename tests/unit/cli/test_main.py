"""The command line without a project: help, versions, mistakes, and that each ends with the right status."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ringfence import errors
from ringfence.cli import main
from ringfence.cli.console import Console
from ringfence.errors import RingfenceError
from ringfence.report.text import columns

COMMANDS = (
    *(
        "demo",
        "init",
        "up",
        "down",
        "status",
        "reseed",
        "verify",
        "run",
        "pre",
        "post",
        "runs",
        "report",
        "resolve",
        "sandbox",
    ),
    *("backup create", "backup list", "backup verify"),
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_its_exit_statuses(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run_command([*command.split(), "--help"]) == 0
    said = capsys.readouterr().out
    assert "Exit status:" in said
    assert "--json" in said


OF_A_PROJECT = (
    *("up", "down", "status", "check", "reseed --fresh-start", "verify", "diff", "repair", "restore x", "run x", "pre"),
    *("post", "runs", "report", "resolve x --reason x", "sandbox -- true", "agents sync", "agents check", "lint"),
    *("roles apply", "roles audit", "roles prove", "live apply", "live check", "live remove"),
    *("backup create", "backup list", "backup verify", "backup pin x", "backup unpin x", "backup mend x"),
)


@pytest.mark.parametrize("command", OF_A_PROJECT)
def test_settings_that_mislead_end_with_a_status_that_is_in_the_help(
    command: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "ringfence.toml").write_text('project = "inventory"\n[production]\n[test]\ndb_port = 4546\n')
    assert main.run_command(command.split()) == 7
    name = [word for word in command.split() if word not in ("x", "--", "true", "--reason", "--fresh-start")]
    capsys.readouterr()
    main.run_command([*name, "--help"])
    assert re.search(r"^\W*7  ", capsys.readouterr().out, re.MULTILINE)


def test_the_root_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run_command(["--help"]) == 0
    said = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"\b{command.split()[0]}\b", said)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run_command(["--version"]) == 0
    assert re.fullmatch(r"ringfence \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["nonsense"], ["run", "--isue", "7"], ["reseed", "--backup"], ["resolve", "x"], ["down", "staging"], []),
        ["init", "--force", "--engine", "server", "--container", "db"],
    ],
    ids=["command", "option", "argument", "missing-option", "environment", "nothing", "container-of-a-server"],
)
def test_mistakes_are_usage(arguments: list[str], elsewhere: Path) -> None:
    assert main.run_command(["init"]) == 0
    assert main.run_command(arguments) == 2


def test_a_mistake_as_json_is_one_object_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run_command(["nonsense", "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["error"]["code"] == 2
    assert "nonsense" in said["error"]["message"]
    assert said["error"]["hint"]


def test_without_a_configuration_the_hint_is_init(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run_command(["status"]) == 2
    assert "ringfence init" in capsys.readouterr().err


def test_an_error_shows_every_line_and_the_hint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise errors.BackupError("first\nsecond", hint="do that")

    monkeypatch.setattr("ringfence.cli.commands.verify.begin", fail)
    assert main.run_command(["verify"]) == 5
    said = capsys.readouterr().err
    assert "ERROR: first" in said
    assert "second" in said
    assert "HINT: do that" in said


def test_a_fault_of_ours_is_70_and_no_verdict(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("ringfence.cli.commands.verify.begin", fail)
    assert main.run_command(["verify", "--json"]) == 70
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["code"] == 70
    assert "verdict" not in captured.out


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ringfence.cli.commands.verify.begin", interrupt)
    assert main.run_command(["verify"]) == 130


def test_every_error_class_has_a_status_of_the_contract() -> None:
    statuses = {0, 1, 2, 3, 4, 5, 6, 7, 8, 70, 99}
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, RingfenceError)]
    assert len(classes) >= 12
    assert all(c.exit_code in statuses for c in classes)


def test_no_table_is_broken_in_a_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no terminal there are no 80 columns either; ``COLUMNS`` still says what it says."""
    monkeypatch.delenv("COLUMNS", raising=False)
    table = columns("table", "rule", "what happened")
    table.add_row('"Transaction"', "append-only", "x" * 70)
    Console(as_json=False).show(table)
    assert len(capsys.readouterr().out.splitlines()) == 2
    monkeypatch.setenv("COLUMNS", "60")
    Console(as_json=False).show(table)
    assert len(capsys.readouterr().out.splitlines()) > 2
