"""The filter: the same text whatever the chunks, no escape sequence, no secret, bounded memory and time."""

from __future__ import annotations

import random
import time
import tracemalloc

import pytest
from tests.thin import some

from ringfence.agents.output import OutputFilter

SECRET = "sk-ant-0123456789abcdef"


def whole(data: bytes, *secrets: str, **options: int) -> str:
    made = OutputFilter(secrets, **options)
    return made.feed(data) + made.finish()


def pieces(data: bytes, size: int, *secrets: str, **options: int) -> str:
    made = OutputFilter(secrets, **options)
    parts = [made.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return "".join(parts) + made.finish()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"hello\n", "hello\n"),
        (b"no end", "no end\n"),
        (b"\n\n", "\n\n"),
        (b"a\tb\n", "a\tb\n"),
        (b"a\r\nb\r\n", "a\nb\n"),
        (b"10%\r20%\r\n", "10%\n20%\n"),
        (b"a\r", "a\n"),
        ("grün 🐘\n".encode(), "grün 🐘\n"),
        (b"bad \xff\xfe byte\n", "bad \ufffd\ufffd byte\n"),
        (b"cut \xf0\x9f\x90", "cut \ufffd\n"),
        (b"\x1b[31mred\x1b[0m\n", "red\n"),
        (b"\x1b[2J\x1b[H\x1b[?25lVERIFY OK\n", "VERIFY OK\n"),
        (b"\x1b]0;title\x07text\n", "text\n"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", "link\n"),
        (b"\x1b]52;c;ZXZpbA==\x07x\n", "x\n"),
        (b"\x1bP1$qm\x1b\\x\x1b_apc\x1b\\y\x1b^pm\x1b\\z\n", "xyz\n"),
        (b"\x1bc\x1b7\x1b(Bx\x1b=\n", "x\n"),
        (b"\xc2\x9b31mx\xc2\x9d0;t\x07y\n", "xy\n"),
        (b"a\x00b\x07c\x08d\x7fe\x0bf\x0cg\n", "abcdefg\n"),
        ("x\u202eevil\u2069y\n".encode(), "xevily\n"),
        (b"\x1b]0;never closed\nstill here\n", "0;never closed\nstill here\n"),
        (b"\x1b[31", "31\n"),
        (b"end\x1b", "end\n"),
        (b"\x00\x01\x1b[31mx\x00\xc2\x9b1my\x07\x1b]0;t\x07z\n", "xyz\n"),
        (b"\x1b[31\nx\n", "31\nx\n"),
    ],
)
def test_what_goes_in_and_what_comes_out(data: bytes, text: str) -> None:
    for size in (1, 2, 3, 7, 1000):
        assert pieces(data, size) == text


def test_an_unclosed_sequence_does_not_hide_what_follows() -> None:
    text = whole(b"\x1b]0;" + b"x" * 10_000 + b" visible\nnext\n")
    assert "visible\nnext\n" in text


def test_complete_lines_come_at_once_and_the_rest_waits() -> None:
    made = OutputFilter()
    assert made.feed(b"one\ntw") == "one\n"
    assert made.feed(b"o") == ""
    assert made.feed(b"\nthree") == "two\n"
    assert made.finish() == "three\n"
    assert made.finish() == ""


@pytest.mark.parametrize("size", [1, 2, 5, 11, 64, 1000])
def test_a_secret_is_masked_wherever_the_chunks_end(size: int) -> None:
    data = f"key is {SECRET} and again {SECRET}{SECRET}.\n".encode()
    assert pieces(data, size, SECRET) == "key is **** and again ********.\n"


def test_a_secret_with_an_escape_sequence_in_it_is_masked() -> None:
    data = (SECRET[:8] + "\x1b[1m" + SECRET[8:12] + "\x00" + SECRET[12:] + "\n").encode()
    for size in (1, 3, 100):
        assert pieces(data, size, SECRET) == "****\n"


def test_other_forms_of_a_secret_are_masked() -> None:
    assert whole(b"postgresql://u@h?x=p%40ss%2Fword1 x\n", "p@ss/word1") == "postgresql://u@h?x=**** x\n"
    assert whole(b'{"k": "quo\\"ted1"}\n', 'quo"ted1') == '{"k": "****"}\n'
    key = "-----BEGIN KEY-----\nMIIBVgIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"
    assert "MIIB" not in whole(key.encode(), key) and "kqhk" not in whole(key.encode(), key)


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert whole(b"abcdefghijkl\n", "abcdef", "abcdefghijkl") == "****\n"


def test_a_short_secret_is_left_alone() -> None:
    assert whole(b"banana\n", "an") == "banana\n"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"postgresql://app:hunter2@db/x\n", "postgresql://app:****@db/x\n"),
        (b"https://user:tok@github.com/x\n", "https://user:****@github.com/x\n"),
        (b"host=x password=hunter2 user=y\n", "host=x password=**** user=y\n"),
        (b"PASSWORD = 'a b\\' c' x\n", "PASSWORD = **** x\n"),
        (b"http://host:8080/path\n", "http://host:8080/path\n"),
        (b"password\n=x\n", "password\n=x\n"),
    ],
)
def test_what_looks_like_a_password_is_masked(data: bytes, text: str) -> None:
    for size in (1, 4, 1000):
        assert pieces(data, size) == text


def test_an_overlong_line_is_cut_and_says_so() -> None:
    text = whole(b"x" * 5000 + b"\nnext\n", line_limit_chars=100)
    first, second = text.splitlines()
    assert first == "x" * 100 + " [4900 characters of this line left out]"
    assert second == "next"


def test_the_cut_never_shows_the_beginning_of_a_secret() -> None:
    for before in range(60, 140):
        data = b"x" * before + SECRET.encode() + b"y" * 3000 + b"\n"
        for size in (1, 50, 10_000):
            text = pieces(data, size, SECRET, line_limit_chars=100)
            assert "sk-ant" not in text and "s" not in text.split(" [")[0], (before, size)


def test_the_text_never_depends_on_the_chunks() -> None:
    dice = random.Random(5)
    parts = [SECRET.encode(), b"\x1b[31m", b"\x1b]0;t\x07", b"\x1b", b"\r", b"\n", b"\r\n", "ü🐘".encode(), b"\xff"]
    parts += [
        b"word ",
        b"x" * 40,
        b"postgres://u:pw1@h",
        b"password=abc",
        b"\x9b",
        b"\xc2\x9b0m",
        b"a" * 150,
        b"]",
        b"[",
    ]
    for _ in range(300):
        data = b"".join(dice.choices(parts, k=30))
        expected = whole(data, SECRET, line_limit_chars=100)
        assert "\x1b" not in expected and SECRET not in expected
        for size in (1, 3, 17):
            assert pieces(data, size, SECRET, line_limit_chars=100) == expected, data


@pytest.mark.parametrize(
    "unit",
    some(
        [
            b"a",
            b"\x1b[",
            b"\x1b]",
            b"://",
            b"://a:",
            b"password=",
            b"password='",
            b"password ",
            b"0;\x1b\\",
            b"\xc2\x9d",
            b"\xf0",
        ],
        keep=3,
    ),
)
def test_time_and_memory_stay_bounded_whatever_is_printed(unit: bytes) -> None:
    chunk = (unit * (65536 // len(unit) + 1))[:65536]

    def four_mb() -> None:
        made = OutputFilter([SECRET])
        for _ in range(64):
            made.feed(chunk)
        made.finish()

    began = time.process_time()
    four_mb()
    assert time.process_time() - began < 10, "the tool would stand still"
    tracemalloc.start()
    try:
        four_mb()
        assert tracemalloc.get_traced_memory()[1] < 24_000_000
    finally:
        tracemalloc.stop()
