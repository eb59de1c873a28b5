"""The time, and the few forms in which it is written. Pure code takes ``now`` as an argument instead of asking."""

from __future__ import annotations

import datetime as dt
import time


def utc_now() -> dt.datetime:
    """The current time in UTC, to the microsecond."""
    return dt.datetime.now(dt.UTC)


def monotonic_s() -> float:
    """Seconds of a clock that never goes back; only differences mean anything."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Sleep for so many seconds."""
    time.sleep(seconds)


def compact(moment: dt.datetime) -> str:
    """``20261122T101530Z``: safe in a file name on any file system, sorts by time."""
    return moment.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")


def iso(moment: dt.datetime) -> str:
    """``2026-11-22T10:15:30.123456Z``, the form in manifests, journals and ``--json``."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> dt.datetime:
    """Read what `iso` wrote, or another ISO 8601 moment with a time zone; raises ValueError for anything else."""
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is outside the years 1 to 9999") from None


def seconds_text(seconds: float) -> str:
    """``0.42 s``, ``12.3 s``, ``4 min 05 s``, ``2 h 03 min``: a duration for people."""
    if round(seconds, 2) < 10:
        return f"{seconds:.2f} s"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
