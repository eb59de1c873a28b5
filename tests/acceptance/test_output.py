"""What commands print: their exit statuses in ``--help``, plain lines where there is no terminal, ``NO_COLOR``."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
from collections.abc import Mapping

import pytest
from tests.acceptance.project import RINGFENCE, Project

from ringfence.cli.main import COMMANDS, run_command

BEFORE_AGENTS = {"2", "4", "5", "7", "99"}
EXIT_STATUSES: Mapping[tuple[str, ...], set[str]] = {
    ("demo",): {"0", "2", "70"},
    ("init",): {"0", "2"},
    ("up",): {"0", "2", "7"},
    ("down",): {"0", "2", "4"},
    ("status",): {"0", "2"},
    ("backup", "create"): {"0", "2", "4", "5", "7"},
    ("backup", "list"): {"0", "2"},
    ("backup", "verify"): {"0", "2", "5", "6"},
    ("reseed",): {"0", "2", "5", "6", "7", "99"},
    ("verify",): {"0", "2", "3", "5"},
    ("run",): {"0", "3", "8", "6"} | BEFORE_AGENTS,
    ("pre",): {"0", "6"} | BEFORE_AGENTS,
    ("post",): {"0", "2", "3", "4", "5"},
    ("runs",): {"0", "2"},
    ("report",): {"0", "2"},
    ("resolve",): {"0", "2", "4"},
    ("sandbox",): {"0", "2", "7"},
}
"""What DESIGN section 4 says that each command may end with."""


def listed(help_text: str) -> list[str]:
    """The commands in the table at the end of a help text."""
    table = help_text.rpartition("Commands")[2]
    return re.findall(r"^│ ([a-z]+) ", table, re.MULTILINE)


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The help of a command, asked for in this process: there are more than forty."""
    assert run_command([*words, "--help"]) == 0
    return capsys.readouterr().out


def test_every_command_names_its_exit_statuses(empty, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    names = listed(empty.run("--help").out)
    assert set(names) == set(COMMANDS), "what is called is found without loading all the others"
    groups = [name for name in names if "COMMAND [ARGS]" in help_of(capsys, name)]
    commands = [(name,) for name in names if name not in (*groups, "guard")]  # the guard answers hooks, not people
    commands += [(group, name) for group in groups for name in listed(help_of(capsys, group))]
    assert set(EXIT_STATUSES) <= set(commands)
    for words in commands:
        text = help_of(capsys, *words)
        end = text.rpartition("Exit status:")[2]
        found = set(re.findall(r"^ *([0-9]+) +[A-Za-z]", end, re.MULTILINE))
        assert found, f"{words} names no exit status"
        assert "0" in found and found >= EXIT_STATUSES.get(words, set()), (words, found)
        assert "--json" in text, words
        if words not in (("init",), ("demo",), ("attack",)):
            assert "--config" in text, words


def test_version_and_nothing_at_all(empty):
    assert re.fullmatch(r"ringfence \d+\.\d+\.\d+\n", empty.run("--version").out)
    nothing = subprocess.run([RINGFENCE], env=empty.environment, capture_output=True, check=False)
    assert nothing.returncode == 2 and b"Usage:" in nothing.stdout + nothing.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("backup", "create", "--nonsense"),
        ("verify", "too", "many"),
        ("resolve", "x"),
        ("run", "--issue"),
    ],
)
def test_a_slip_of_the_fingers_is_a_usage_error(shop, words):
    assert "HINT: " in shop.refused(*words, code=2)


def test_there_are_no_escape_codes_where_there_is_no_terminal(shop):
    # `Project.run` looks for them in everything; here the caller asks for colours of other programs, too.
    for words in (("status",), ("backup", "list"), ("--help",)):
        shop.run(*words, env={"TERM": "xterm-256color", "COLORTERM": "truecolor", "CLICOLOR": "1"})
    assert "ERROR: " in shop.run("report", "20200101T000000Z-abcdef", code=2).err


def test_a_terminal_gets_colours_unless_no_color_says_no(shop):
    with_colours = on_terminal(shop, "status")
    assert COLOUR.search(with_colours)
    without = on_terminal(shop, "status", env={"NO_COLOR": "1"})
    assert "running" in without and not COLOUR.search(without)
    assert not COLOUR.search(on_terminal(shop, "status", "--config", "nowhere.toml", env={"NO_COLOR": "1"}))


def test_a_reader_that_goes_away_breaks_nothing(shop):
    with subprocess.Popen(
        [RINGFENCE, "backup", "list"],
        cwd=shop.root,
        env=shop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        said = child.stderr.read().decode()
    assert "Traceback" not in said and "fault in ringfence" not in said


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


def on_terminal(project: Project, *words: str, env: Mapping[str, str] | None = None) -> str:
    """What a command prints on a terminal of 120 columns."""
    near, far = pty.openpty()
    environment = {**project.environment, "TERM": "xterm-256color", "COLUMNS": "120", **(env or {})}
    with subprocess.Popen(
        [RINGFENCE, *words], cwd=project.root, env=environment, stdin=far, stdout=far, stderr=far, close_fds=True
    ):
        os.close(far)
        printed = b""
        with contextlib.suppress(OSError):  # EIO: the other side has closed it
            while chunk := os.read(near, 4096):
                printed += chunk
    os.close(near)
    return printed.decode()
