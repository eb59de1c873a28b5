"""The chain of events: what was written is read back, everything else is noticed."""

from __future__ import annotations

import datetime as dt
import itertools
import json

import pytest

from ringfence.journal import chain, model
from ringfence.journal.chain import Head
from ringfence.journal.model import Event, JournalError

NOW = dt.datetime(2026, 11, 22, 10, 15, 30, 5, tzinfo=dt.UTC)


def events(count: int) -> list[Event]:
    made: list[Event] = []
    for number in range(1, count + 1):
        previous = made[-1].digest if made else chain.GENESIS
        kind = model.START if number == 1 else model.BACKUP
        data = {"id": f"b{number}", "text": "Zeile\nmit ü\ud800 " + "x" * number}
        made.append(chain.seal(number=number, at=NOW, kind=kind, data=data, previous=previous))
    return made


def content(made: list[Event]) -> bytes:
    return b"".join(chain.line(event) for event in made)


def test_what_was_written_is_read_back() -> None:
    made = events(5)
    found = chain.read_chain(content(made))
    assert list(found.events) == made
    assert found.torn == b""
    assert found.whole_bytes == len(content(made))


def test_an_event_is_one_line_of_ascii() -> None:
    text = chain.line(events(1)[0])
    assert text.count(b"\n") == 1
    assert text.isascii()


def test_an_empty_file_has_no_events() -> None:
    assert chain.read_chain(b"").events == ()


def test_a_kill_at_every_byte_of_the_last_event_leaves_the_ones_before() -> None:
    made = events(3)
    before, last = content(made[:2]), chain.line(made[2])
    for length in range(len(last)):
        found = chain.read_chain(before + last[:length])
        assert list(found.events) == made[:2]
        assert found.torn == last[:length]
        assert found.whole_bytes == len(before)


def test_every_flipped_bit_is_noticed() -> None:
    made = events(3)
    whole = content(made)
    for at, bit in itertools.product(range(0, len(whole) - 1, 3), range(8)):
        changed = bytearray(whole)
        changed[at] ^= 1 << bit
        try:
            found = chain.read_chain(bytes(changed))
        except JournalError:
            continue
        # Only a line break made within the last line, or lost at its end, can look torn; the head sees that.
        with pytest.raises(JournalError):
            chain.check_head(found, Head(number=3, digest=made[-1].digest))


@pytest.mark.parametrize("order", [(0, 2), (1, 2), (0, 2, 1), (0, 1, 1, 2), (1,), (0, 0)])
def test_removed_moved_and_repeated_events_are_noticed(order: tuple[int, ...]) -> None:
    made = events(3)
    with pytest.raises(JournalError, match="does not follow"):
        chain.read_chain(content([made[i] for i in order]))


def test_an_event_edited_in_place_is_noticed_even_when_it_is_the_last() -> None:
    made = events(2)
    said = json.loads(chain.line(made[1]))
    said["data"]["id"] = "another"
    forged = json.dumps(said, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(JournalError, match="event 2 was changed"):
        chain.read_chain(chain.line(made[0]) + forged)


@pytest.mark.parametrize(
    "garbage", [b"\n", b"null\n", b"[]\n", b"{}\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"1e999\n"]
)
def test_garbage_is_an_error_and_not_an_empty_journal(garbage: bytes) -> None:
    with pytest.raises(JournalError):
        chain.read_chain(garbage)
    with pytest.raises(JournalError):
        chain.read_chain(content(events(1)) + garbage)


def test_an_unknown_kind_is_an_error() -> None:
    event = chain.seal(number=1, at=NOW, kind="party", data={}, previous=chain.GENESIS)
    with pytest.raises(JournalError, match="party"):
        chain.read_chain(chain.line(event))


def test_the_head_allows_events_that_were_written_after_it() -> None:
    made = events(3)
    found = chain.read_chain(content(made))
    for event in made:
        chain.check_head(found, chain.read_head(chain.head_bytes(event)))


def test_the_head_notices_whole_events_that_were_cut_off() -> None:
    made = events(3)
    with pytest.raises(JournalError, match="2 events are there, 3 were written"):
        chain.check_head(chain.read_chain(content(made[:2])), chain.read_head(chain.head_bytes(made[2])))


def test_a_missing_head_is_right_for_the_first_event_only() -> None:
    made = events(2)
    chain.check_head(chain.read_chain(content(made[:1])), None)
    with pytest.raises(JournalError, match="missing"):
        chain.check_head(chain.read_chain(content(made)), None)


def test_a_head_of_another_journal_is_noticed() -> None:
    found = chain.read_chain(content(events(2)))
    for number in (0, 1, 2, -1):
        with pytest.raises(JournalError):
            chain.check_head(found, Head(number=number, digest="1" * 64))


@pytest.mark.parametrize(
    "bad", [b"", b"{}", b"[]", b'{"number":"1","digest":"x"}', b'{"number":true,"digest":"x"}', b"\xff"]
)
def test_an_unreadable_head_is_an_error(bad: bytes) -> None:
    with pytest.raises(JournalError):
        chain.read_head(bad)
