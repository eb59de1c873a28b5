"""Names and clauses for databases, without a server."""

from __future__ import annotations

import random

import pytest

from ringfence.postgres.databases import beside, locale_clause


@pytest.mark.parametrize(
    ("database", "purpose", "name"),
    [
        ("inventory_test", "reference", "inventory_test_reference"),
        ("a" * 53, "reference", "a" * 53 + "_reference"),
        ("a\"b;'", "incoming", "a\"b;'_incoming"),
    ],
)
def test_a_short_name_says_what_it_is_for(database: str, purpose: str, name: str) -> None:
    assert beside(database, purpose) == name


@pytest.mark.parametrize("database", ["a" * 54, "a" * 63, "ü" * 31, "x" + "😀" * 15, "é" * 27 + "abcdefghi"])
@pytest.mark.parametrize("purpose", ["reference", "incoming", "replaced", "reference_0a1b2c"])
def test_a_long_name_fits_and_stays_its_own(database: str, purpose: str) -> None:
    name = beside(database, purpose)
    assert len(name.encode()) <= 63
    assert name.endswith(f"_{purpose}") and name != database
    assert name.startswith(database[:9])


def test_names_never_meet() -> None:
    chance = random.Random(3)
    databases = {"".join(chance.choices("abü😀", k=chance.randrange(1, 16))) + "x" * 40 for _ in range(300)}
    databases = {d for d in databases if len(d.encode()) <= 63}
    made = {beside(d, p) for d in databases for p in ("reference", "incoming", "replaced")}
    assert len(made) == 3 * len(databases)


@pytest.mark.parametrize(
    ("major", "locale", "clause"),
    [
        (
            14,
            {"encoding": "UTF8", "collate": "C", "ctype": "C", "provider": "libc"},
            "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
        ),
        (
            18,
            {"encoding": "UTF8", "collate": "C", "ctype": "C", "provider": "builtin", "locale": "C.UTF-8"},
            "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'",
        ),
        (
            15,
            {"encoding": "UTF8", "collate": "C", "ctype": "C", "provider": "icu", "locale": "de-u-co-phonebk"},
            "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk'",
        ),
        (
            15,
            {"encoding": "LATIN1", "collate": "x' OWNER y --", "ctype": "C", "provider": "libc"},
            "ENCODING 'LATIN1' LC_COLLATE 'x'' OWNER y --' LC_CTYPE 'C' LOCALE_PROVIDER libc",
        ),
    ],
)
def test_a_locale_is_written_as_sql(major: int, locale: dict[str, str], clause: str) -> None:
    assert locale_clause(locale, major=major).as_string(None) == clause
