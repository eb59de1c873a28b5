from __future__ import annotations

import re
from pathlib import Path

import pytest

import ringfence
from ringfence.wording import counted

COUNTED_BY_HAND = re.compile(
    r"\{(?:len\([^{}]*\)|\w*(?:count|number|rows|tables|files|lines|left|others|steps|sessions)\w*|\w+\.\w+)(?::,)?\} "
    r"(?:more |other )?"
    r"(?:agents|attempts|commits|databases|events|files|findings|lines|objects|places|processes|rows|rules|sessions|statements|"
    r"steps|tables)\b"
)
PLURAL_FOR_SURE = ("more than {MOST_", "if count == 1 else", "more than the {", "if len(alike) > 1")


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 tables"), (1, "1 table"), (2, "2 tables"), (12345, "12,345 tables"), (-1, "-1 tables")]
)
def test_what_is_said(number: int, said: str) -> None:
    assert counted(number, "table") == said


def test_a_plural_of_its_own() -> None:
    assert (counted(1, "entry", "entries"), counted(2, "entry", "entries")) == ("1 entry", "2 entries")


def test_no_message_says_1_tables() -> None:
    wrong = [
        f"{path.name}: {line.strip()}"
        for path in Path(ringfence.__file__).parent.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if COUNTED_BY_HAND.search(line) and not any(sure in line for sure in PLURAL_FOR_SURE)
    ]
    assert wrong == []
