"""Which backups go. Cases that must stay come first."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import pytest

from ringfence.backup.marks import NONE, Marks
from ringfence.backup.model import Entry, Manifest, Purpose
from ringfence.backup.retention import rotate

START = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
PROVEN = Marks(proven_at=START, proven_by="a test")
PINNED = Marks(pinned_at=START, pin_reason="for ever")


def entry(
    sequence: int,
    problem: str | None = None,
    made: dt.datetime | None = None,
    *,
    marks: Marks = NONE,
    purpose: Purpose = "regular",
) -> Entry:
    name = f"b{sequence}"
    manifest = Manifest(
        id=name,
        sequence=sequence,
        project="p",
        database="d",
        issue=None,
        created_at=made or START + dt.timedelta(hours=sequence),
        file=f"{name}.dump",
        size_bytes=1,
        sha256="0" * 64,
        server_version="18.4",
        server_version_num=180004,
        program_version="18.4",
        baseline={},
        purpose=purpose,
    )
    where = Path("/backups")
    return Entry(
        id=name,
        manifest=manifest,
        manifest_path=where / f"{name}.manifest.json",
        dump_path=where / f"{name}.dump",
        problem=problem,
        marks=marks,
    )


def sound(*sequences: int) -> list[Entry]:
    return [entry(s) for s in sequences]


@pytest.mark.parametrize(
    ("entries", "keep", "needed", "removed"),
    [
        ([], 5, (), ()),
        (sound(1), 1, (), ()),
        (sound(1, 2, 3, 4, 5), 5, (), ()),
        (sound(1, 2, 3, 4, 5, 6), 5, (), ("b1",)),
        (sound(6, 1, 4, 2, 5, 3), 5, (), ("b1",)),
        (sound(1, 2, 3, 4, 5, 6, 7, 8), 5, (), ("b1", "b2", "b3")),
        (sound(1, 2, 3), 1, (), ("b1", "b2")),
        # What a run or a HALT needs stays, and does not make another one go.
        (sound(1, 2, 3, 4, 5, 6), 5, ("b1",), ()),
        (sound(1, 2, 3, 4, 5, 6, 7), 5, ("b1",), ("b2",)),
        (sound(1, 2, 3), 1, ("b1", "b2", "b3"), ()),
        (sound(1, 2), 1, ("gone",), ("b1",)),
        # Damaged ones neither count nor go, and five of them do not push out a good one (F25).
        ([entry(1), *(entry(s, "damaged") for s in range(2, 8))], 5, (), ()),
        ([*sound(1, 2, 3, 4, 5), entry(6, "damaged")], 5, (), ()),
        ([entry(1, "damaged"), *sound(2, 3, 4, 5, 6, 7)], 5, (), ("b2",)),
        # What was proven last stays, whatever is made after it (F26); what was proven before it does not.
        ([entry(1, marks=PROVEN), *sound(2, 3, 4, 5, 6, 7)], 5, (), ("b2",)),
        ([entry(1, marks=PROVEN), entry(2, marks=PROVEN), *sound(3, 4, 5)], 2, (), ("b1", "b3")),
        ([entry(1, marks=PROVEN), entry(2, "damaged", marks=PROVEN), *sound(3, 4)], 1, (), ("b3",)),
        # A pinned one stays and takes nobody's place; one that may be pinned, too.
        ([entry(1, marks=PINNED), *sound(2, 3, 4)], 2, (), ("b2",)),
        ([entry(1, marks=Marks(unreadable=True)), *sound(2, 3, 4)], 2, (), ("b2",)),
        # Evidence does not count; only the last of it is kept.
        ([*sound(1, 2), entry(3, purpose="damaged"), entry(4, purpose="damaged")], 2, (), ("b3",)),
        ([*sound(1, 2, 3), entry(4, purpose="damaged", marks=PROVEN)], 2, (), ("b1",)),
        ([entry(1, purpose="damaged", marks=PINNED), entry(2, purpose="damaged")], 1, (), ()),
        # A clock that went back: the newest is the one made last (F23).
        ([entry(1, made=START), entry(2, made=START - dt.timedelta(days=9))], 1, (), ("b1",)),
    ],
)
def test_what_goes(entries: list[Entry], keep: int, needed: tuple[str, ...], removed: tuple[str, ...]) -> None:
    assert rotate(entries, keep=keep, needed=dict.fromkeys(needed, "needed")).remove == removed


def test_every_one_that_stays_has_a_reason() -> None:
    decision = rotate(
        [*sound(1, 2, 3, 4), entry(5, "its dump is gone")],
        keep=2,
        needed={"b1": "the baseline of a run that is not closed"},
    )
    assert {k.id: k.reason for k in decision.kept} == {
        "b5": "not counted: its dump is gone",
        "b4": "newest",
        "b3": "number 2 of at most 2",
        "b1": "the baseline of a run that is not closed",
    }
    assert decision.remove == ("b2",)


def test_whatever_there_is_the_rules_hold() -> None:
    chance = random.Random(4)
    for _ in range(2000):
        sequences = chance.sample(range(1, 40), chance.randrange(15))
        entries = [entry(s, chance.choice([None, None, None, "damaged"])) for s in sequences]
        keep = chance.randrange(1, 8)
        needed = {f"b{s}" for s in chance.sample(range(1, 40), 4)}
        decision = rotate(entries, keep=keep, needed=dict.fromkeys(needed, "needed"))
        good = sorted((e for e in entries if e.problem is None), key=lambda e: e.sequence)
        gone = set(decision.remove)
        assert gone.isdisjoint(e.id for e in entries if e.problem is not None)
        assert gone.isdisjoint(needed)
        assert gone.isdisjoint(e.id for e in good[-keep:])
        left = [e for e in good if e.id not in gone and e.id not in needed]
        assert len(left) <= keep
        assert not gone or len(good) > keep
        assert gone | {k.id for k in decision.kept} == {e.id for e in entries}
        assert len(decision.remove) + len(decision.kept) == len(entries)
        assert [int(name[1:]) for name in decision.remove] == sorted(int(name[1:]) for name in decision.remove)
