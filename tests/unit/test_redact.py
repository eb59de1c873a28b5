"""What may be shown: no secrets, and nothing that a terminal obeys."""

from __future__ import annotations

import time

import pytest

from ringfence.redact import MASK, one_line, quote_ident, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://app:s3cret@db/inventory", f"postgresql://app:{MASK}@db/inventory"),
        ("postgres://:s3cret@db", f"postgres://:{MASK}@db"),
        ("(postgresql://app:s%2F%40t@db:5432/x?a=b)", f"(postgresql://app:{MASK}@db:5432/x?a=b)"),
        ("https://user:pw@host/path and amqp://u:p@h", f"https://user:{MASK}@host/path and amqp://u:{MASK}@h"),
        # Not what a URL may hold, but what people write: everything up to the last @ of the address.
        ("postgresql://app:p@ss:word@db/x", f"postgresql://app:{MASK}@db/x"),
        ("host=db password=s3cret user=app", f"host=db password={MASK} user=app"),
        ("PASSWORD = 'a b'", f"PASSWORD = {MASK}"),
        (r"password='a \' b' dbname=x", f"password={MASK} dbname=x"),
        (
            "postgresql://db/x?user=a&password=s3cret&sslmode=require",
            f"postgresql://db/x?user=a&password={MASK}&sslmode=require",
        ),
        ("PGPASSWORD=s3cret psql", f"PGPASSWORD={MASK} psql"),
        ("POSTGRES_PASSWORD=s3cret", f"POSTGRES_PASSWORD={MASK}"),
    ],
)
def test_passwords_are_masked(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("", "nothing", "postgresql://app@db/x", "postgresql://db:5432/x", "http://localhost:4545/users/@me"),
        *("the password is wrong", 'password authentication failed for user "x"', "a:b@c", "mail x@example.org"),
        "see http://127.0.0.1:2345/ and mail x@example.org",
    ],
)
def test_what_is_no_password_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_given_secrets_are_masked_longest_first() -> None:
    assert redact("a hunter2hunter2 and hunter2", ["hunter2", "hunter2hunter2"]) == f"a {MASK} and {MASK}"


def test_short_secrets_are_left_alone() -> None:
    assert redact("a banana", ["a", "", "banan"]) == "a banana"


@pytest.mark.parametrize("text", ["://a:" * 40_000, "x" * 400_000, "password=" * 40_000, "://" + "a" * 400_000 + ":"])
def test_a_long_text_takes_no_long_time(text: str) -> None:
    started = time.monotonic()
    redact(text)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain name-1", "plain name-1"),
        ("x\nVERIFY OK", r"x\nVERIFY OK"),
        ("a\tb\rc", r"a\tb\rc"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("left\u202eright", r"left\u202eright"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("line\u2028separator", r"line\u2028separator"),
        ("\x85\x9b", r"\x85\x9b"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("éü€😀", "éü€😀"),
    ],
)
def test_a_name_stays_on_its_line(name: str, shown: str) -> None:
    assert one_line(name) == shown
    assert one_line(name).isprintable()
    one_line(name).encode("utf-8")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("film", "film"),
        ("_a1", "_a1"),
        ("Component", '"Component"'),
        ("1a", '"1a"'),
        ("a b", '"a b"'),
        ('a"b', '"a""b"'),
        ("", '""'),
        ("a\n", r'"a\n"'),
        ("film\n", r'"film\n"'),
        ("é", '"é"'),
    ],
)
def test_an_identifier_is_quoted_where_it_must_be(name: str, shown: str) -> None:
    assert quote_ident(name) == shown
