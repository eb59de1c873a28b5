"""The forms in which time is written and read."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from ringfence import clock

PLUS_FIVE = dt.timezone(dt.timedelta(hours=5, minutes=30))


def test_now_is_in_utc_and_the_monotonic_clock_goes_on() -> None:
    assert clock.utc_now().tzinfo is dt.UTC
    before = clock.monotonic_s()
    clock.pause(0.01)
    assert clock.monotonic_s() - before >= 0.01


@pytest.mark.parametrize(
    ("moment", "compact", "iso"),
    [
        (dt.datetime(2026, 11, 22, 10, 15, 30, tzinfo=dt.UTC), "20261122T101530Z", "2026-11-22T10:15:30.000000Z"),
        (dt.datetime(2026, 11, 22, 15, 45, 30, 5, PLUS_FIVE), "20261122T101530Z", "2026-11-22T10:15:30.000005Z"),
        (dt.datetime(2027, 1, 1, 2, 0, tzinfo=PLUS_FIVE), "20261231T203000Z", "2026-12-31T20:30:00.000000Z"),
    ],
)
def test_moments_are_written_in_utc(moment: dt.datetime, compact: str, iso: str) -> None:
    assert (clock.compact(moment), clock.iso(moment)) == (compact, iso)


def test_what_was_written_is_read() -> None:
    chance = random.Random(7)
    for _ in range(200):
        moment = dt.datetime(2000, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=chance.randrange(10**16))
        assert clock.parse_iso(clock.iso(moment)) == moment


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "2026-11-22", "2026-11-22T10:15:30", "2026-13-22T10:15:30Z", "2026-11-22T25:15:30Z", "Z"),
        *("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "1700000000"),
        # Before the first year and after the last one, in UTC:
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_everything_else_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        clock.parse_iso(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (0.42, "0.42 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (60, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (7380, "2 h 03 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert clock.seconds_text(seconds) == text
