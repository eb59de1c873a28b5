from __future__ import annotations

import pytest

from ringfence.agents.handover import LIMIT_CHARS, Handover


def said(*texts: str) -> str | None:
    handover = Handover()
    for text in texts:
        handover.feed(text)
    return handover.said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AGENT_RETURN: docs/plan.md\n", "docs/plan.md"),
        ("a\nAGENT_RETURN: one\nb\nAGENT_RETURN: two\nc\n", "two"),
        ("> **AGENT_RETURN:** all *done*\n", "all *done"),
        ("`AGENT_RETURN: plan.md`\n", "plan.md"),
        ("  - AGENT_RETURN:no space\n", "no space"),
        ("AGENT_RETURN: one\nAGENT_RETURN:   \n", "one"),
    ],
)
def test_what_stands_there_is_returned(text: str, expected: str) -> None:
    assert said(text) == expected


@pytest.mark.parametrize("text", ["", "nothing\n", "the line AGENT_RETURN: is explained here\n", "AGENT_RETURN\n"])
def test_what_is_no_such_line(text: str) -> None:
    assert said(text) is None


def test_the_last_of_all_pieces_counts_and_is_bounded() -> None:
    assert said("AGENT_RETURN: one\n", "text\n", "AGENT_RETURN: two\n", "more\n") == "two"
    assert len(said(f"AGENT_RETURN: {'x' * 100_000}\n") or "") == LIMIT_CHARS
