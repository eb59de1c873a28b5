"""Events as lines and lines as events, each bound to the one before by its digest. Pure.

The digest of an event covers its text and the digest of the event before, so no event can be edited, removed from the
middle or put elsewhere without every later one being wrong. That the *last* events were cut off cannot be seen in the
chain: the head (number and digest of the last event that was promised) is kept in a file of its own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from ringfence import clock
from ringfence.journal.model import KINDS, Event, JournalError
from ringfence.wording import counted

GENESIS = "0" * 64
_KEYS = {"number", "at", "kind", "data", "previous", "digest"}


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last event that is known to be on disk."""

    number: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The events of a journal that hang together, and what a kill left of the next one."""

    events: tuple[Event, ...]
    whole_bytes: int
    torn: bytes


def seal(*, number: int, at: dt.datetime, kind: str, data: Mapping[str, object], previous: str) -> Event:
    """Make an event; ``data`` must be JSON."""
    digest = _digest({"number": number, "at": clock.iso(at), "kind": kind, "data": data, "previous": previous})
    return Event(number=number, at=at, kind=kind, data=data, previous=previous, digest=digest)


def line(event: Event) -> bytes:
    """The event as it stands in the file, with its line break."""
    return (
        _canonical(
            {
                "number": event.number,
                "at": clock.iso(event.at),
                "kind": event.kind,
                "data": event.data,
                "previous": event.previous,
                "digest": event.digest,
            }
        )
        + b"\n"
    )


def read_chain(content: bytes) -> Chain:
    """The events of a journal file.

    What follows the last line break is the torn line of a write that was killed; anything else that is not exactly what
    `line` writes raises `JournalError`.
    """
    whole, end, torn = content.rpartition(b"\n")
    lines = whole.split(b"\n") if end else []
    events: list[Event] = []
    for number, text in enumerate(lines, start=1):
        previous = events[-1].digest if events else GENESIS
        events.append(_read(text, number, previous))
    return Chain(events=tuple(events), whole_bytes=len(content) - len(torn), torn=torn)


def check_head(chain: Chain, head: Head | None) -> None:
    """Raise `JournalError` where events that were promised are no longer there.

    The head is written after the event, so a kill between the two leaves it one behind; a missing one is therefore
    right for a journal of one event only.
    """
    if head is None:
        if len(chain.events) > 1:
            raise JournalError("the file that names its last event is missing")
        return
    if head.number > len(chain.events):
        there = counted(len(chain.events), "event is there", "events are there")
        raise JournalError(f"it was cut: {there}, {head.number} were written")
    if head.number < 1 or chain.events[head.number - 1].digest != head.digest:
        raise JournalError(f"event {head.number} is not the one that was written")


def head_bytes(event: Event) -> bytes:
    """The content of the head file after an event."""
    return _canonical({"number": event.number, "digest": event.digest}) + b"\n"


def read_head(content: bytes) -> Head:
    """Read what `head_bytes` wrote; raises `JournalError` for anything else."""
    try:
        said = json.loads(content)
        head = Head(number=said["number"], digest=said["digest"])
        if type(head.number) is not int or not isinstance(head.digest, str):
            raise ValueError("wrong types")
        return head
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise JournalError("the file that names its last event cannot be read") from error


def _read(text: bytes, number: int, previous: str) -> Event:
    try:
        said = json.loads(text)
        if not isinstance(said, dict) or set(said) != _KEYS or not isinstance(said["data"], dict):
            raise ValueError("not an event")
        event = Event(**{**said, "at": clock.parse_iso(said["at"])})
        same = line(event) == text + b"\n"
    except (ValueError, TypeError, RecursionError) as error:
        raise JournalError(f"event {number} cannot be read") from error
    content = {key: value for key, value in said.items() if key != "digest"}
    if not same or _digest(content) != event.digest:
        raise JournalError(f"event {number} was changed after it had been written")
    if event.number != number or event.previous != previous:
        raise JournalError(f"event {number} does not follow the one before it")
    if event.kind not in KINDS:
        raise JournalError(f"event {number} is of a kind this version does not know: {event.kind!r}")
    return event


def _digest(content: Mapping[str, object]) -> str:
    return hashlib.sha256(_canonical(content)).hexdigest()


def _canonical(content: Mapping[str, object]) -> bytes:
    """JSON in the one form that is hashed: keys sorted, no spaces, ASCII only (a lone surrogate survives it)."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
