"""The section between its markers: nothing around it changes, and every state is told from the others."""

from __future__ import annotations

import pytest

from ringfence.agents import instructions
from ringfence.agents.instructions import Facts

FACTS = Facts(
    project="shop",
    production_database="shop",
    production_port=4546,
    production_web_port=4545,
    test_host="127.0.0.1",
    test_port=2346,
    test_database="shop_test",
    test_role="shop_test",
    test_web_port=2345,
    backups=".backups",
)
TEXT = instructions.section(FACTS)
FILES = [
    b"",
    b"\n",
    b"# Build\n\nDo it.\n",
    b"# Build\r\n\r\nDo it.\r\n",
    b"no final newline",
    b"crlf\r\nno final newline",
    b"\xef\xbb\xbf# With a mark\n",
    b"\xff\xfe not utf-8 \x00\n",
    b"---\nname: build\n---\nBody with <!-- a comment --> and `ringfence:begin`\n",
    "Ümläut — ✓\n".encode(),
    b"x\n" * 50_000,
]


@pytest.mark.parametrize("content", FILES, ids=range(len(FILES)))
def test_what_is_around_the_section_stays_byte_for_byte(content: bytes) -> None:
    made = instructions.placed(content, TEXT)
    assert made.startswith(content)
    assert instructions.state(made, TEXT) == "current"
    assert instructions.placed(made, TEXT) == made
    after = made + b"\r\nmore of my own\n"
    newer = instructions.placed(after, TEXT.replace("2346", "9999"))
    assert newer.startswith(content) and newer.endswith(b"\r\nmore of my own\n") and b"9999" in newer
    assert instructions.placed(newer, TEXT) == after


def test_states() -> None:
    made = instructions.placed(b"# x\n", TEXT)
    assert instructions.state(b"# x\n", TEXT) == "missing"
    assert instructions.state(made, TEXT.replace("2346", "2347")) == "stale"
    assert instructions.state(made.replace(b"2346", b"4546"), TEXT) == "edited"
    assert instructions.state(made.replace(b"2346", b"4546"), TEXT.replace("2346", "1")) == "edited"
    assert instructions.state(made.replace(b"\n", b"\r\n"), TEXT) == "current"


def test_markers_that_do_not_belong_together_are_left_alone() -> None:
    made = instructions.placed(b"# x\n", TEXT)
    end = b"<!-- ringfence:end -->"
    for broken in (
        made + made,
        made.replace(end, b""),
        made.replace(end, end + end),
        end + b"\n<!-- ringfence:begin -->",
    ):
        assert instructions.state(broken, TEXT) == "broken"
        with pytest.raises(ValueError, match="markers"):
            instructions.placed(broken, TEXT)


def test_the_section_names_the_test_database_and_no_secret() -> None:
    for text in (TEXT, instructions.shared_context(FACTS)):
        assert "2346" in text and "shop_test" in text and "4545" in text
        assert "password" not in text.lower()
    assert instructions.SHARED_CONTEXT in TEXT
    forged = instructions.section(Facts(**{**vars(FACTS), "test_database": "x\n<!-- ringfence:end -->"}))
    assert forged.count("\n") == TEXT.count("\n")
