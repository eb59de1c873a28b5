from __future__ import annotations

import io
import time

from rich.console import Console

from ringfence.cli.live import LINES, RunView


def drawn(view: RunView) -> str:
    screen = Console(file=io.StringIO(), width=60, force_terminal=False)
    screen.print(view)
    return screen.file.getvalue()  # type: ignore[attr-defined]


def view() -> RunView:
    return RunView(Console(file=io.StringIO(), force_terminal=True, width=60), "looking")


def test_it_shows_the_step_its_share_and_the_last_lines() -> None:
    shown = view()
    shown.begin("agent build")
    shown.share(" 40 %")
    shown.feed("".join(f"line {n}\n" for n in range(30)))
    text = drawn(shown)
    assert "agent build 40 %" in text and "line 29" in text and "line 21" not in text
    assert text.count("│") == LINES


def test_long_lines_are_cut_and_markup_is_text() -> None:
    shown = view()
    shown.feed("[red]x[/red]\n" + "y" * 500 + "\n")
    lines = drawn(shown).splitlines()
    assert any("[red]x[/red]" in line for line in lines) and all(len(line) <= 60 for line in lines)


def test_a_new_step_begins_without_the_lines_of_the_last() -> None:
    shown = view()
    shown.feed("old\n")
    shown.begin("verify")
    assert "old" not in drawn(shown)


class _Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")

    def isatty(self) -> bool:
        return True


def test_a_terminal_that_went_away_ends_nothing() -> None:
    shown = RunView(Console(file=_Gone(), force_terminal=True), "looking")
    done = []
    with shown.shown():
        shown.feed("text\n")
        time.sleep(0.6)
        done.append(True)
    assert done
