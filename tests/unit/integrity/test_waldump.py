"""What pg_waldump prints, read: every block of a main fork, both messages, and what makes the list worthless."""

from __future__ import annotations

import pytest

from ringfence.integrity.touched import DATABASE_REPLACED, SETTINGS_CHANGED, WalError, WalSpan
from ringfence.integrity.waldump import parse

BEGIN, END = "a" * 32, "b" * 32
SPAN = WalSpan(start="0/1", end="0/9", timeline=1, database_oid=5, nonces=(BEGIN, END), files=(16384, 16390))


def record(manager: str, description: str, blocks: str = "") -> bytes:
    return (
        f"rmgr: {manager:<11} len (rec/tot):     54/   150, tx:        745, lsn: 0/01A3B5C8, prev 0/01A3B590, "
        f"desc: {description}{blocks}\n"
    ).encode()


def message(nonce: str) -> bytes:
    return record("LogicalMessage", f'MESSAGE transactional, prefix "ringfence {nonce}"; payload (0 bytes): ')


WORDS = (message(BEGIN), message(END))


def read(*lines: bytes):
    return parse([*lines, *WORDS], SPAN, source="test")


def test_blocks_of_main_forks_of_the_files_that_matter():
    found = read(
        record("Heap", "INSERT off: 3, flags: 0x00", ", blkref #0: rel 1663/5/16384 blk 7 FPW"),
        record("Heap", "UPDATE ", ", blkref #0: rel 1663/5/16384 blk 9, blkref #1: rel 1663/5/16384 blk 8"),
        record("Heap2", "VISIBLE ", ", blkref #0: rel 1663/5/16384 fork vm blk 1, blkref #1: rel 1663/5/16384 blk 2"),
        record("Heap", "LOCK ", ", blkref #0: rel 1663/6/16384 blk 99"),
        record("Btree", "INSERT_LEAF ", ", blkref #0: rel 1663/5/16999 blk 99"),
    )
    assert {k: set(v) for k, v in found.blocks.items()} == {16384: {2, 7, 8, 9}}
    assert (set(found.overwritten), found.doubt) == (set(), None)


def test_a_page_written_whole_is_told_from_one_with_a_new_hint_bit():
    found = read(
        record("XLOG", "FPI_FOR_HINT ", ", blkref #0: rel 1663/5/16384 blk 1 FPW"),
        record("XLOG", "FPI ", ", blkref #0: rel 1663/5/16390 blk 4 FPW"),
    )
    assert set(found.overwritten) == {16390}
    assert set(found.blocks) == {16384, 16390}


@pytest.mark.parametrize(
    "line, doubt",
    [
        (record("XLOG", "PARAMETER_CHANGE max_connections=100 wal_level=minimal"), SETTINGS_CHANGED),
        (record("Database", "CREATE_FILE_COPY copy dir 1663/9 to 1663/5"), DATABASE_REPLACED),
        (record("Database", "CREATE copy dir 1663/9 to 1663/5"), DATABASE_REPLACED),
        (record("Database", "DROP dir 1663/5"), DATABASE_REPLACED),
        (record("Database", "DROP dir 1663/55"), None),
        (record("XLOG", "CHECKPOINT_ONLINE redo 0/1"), None),
    ],
)
def test_what_makes_the_list_worthless(line, doubt):
    assert read(line).doubt == doubt


@pytest.mark.parametrize("lines, which", [((), "baseline's"), (WORDS[1:], "baseline's"), (WORDS[:1], "this look's")])
def test_both_messages_must_be_there(lines, which):
    with pytest.raises(WalError, match=which):
        parse(lines, SPAN, source="test")


def test_a_word_outside_a_message_does_not_count():
    forged = record("Heap", f'INSERT MESSAGE prefix "ringfence {BEGIN}"')
    with pytest.raises(WalError):
        parse([forged, WORDS[1]], SPAN, source="test")
