"""Rows and refusals of a journal, as a page shows them."""

from __future__ import annotations

from tests.cases import stories

from ringfence.report import evidence


def test_rows_with_their_keys_old_values_and_new_ones() -> None:
    (table,), more = evidence.changed_tables(stories.HALTED)
    assert (table.name, table.counts, table.more, more) == ('"SKU"', "1 inserted, 25 updated, 1 deleted", "23", 2)
    assert table.note == ""
    gone, changed, longer, new = table.rows
    assert (gone.word, gone.key) == ("deleted", (("id", "77"),))
    assert [(c.column, c.before, c.after) for c in gone.cells] == [
        ("name", "Washer M4, zinc", None),
        ("price", "0.12", None),
        ("api_token", "****", None),
        ("note", "NULL", None),
    ]
    assert [c.is_masked for c in gone.cells] == [False, False, True, False]
    assert [(c.column, c.before, c.after) for c in changed.cells] == [("price", "12.50", "13.50")]
    assert longer.cells[1].before == "NULL"
    assert new.cells[0].after == "''", "an empty text is seen"


def test_refusals_say_who_was_stopped_by_what() -> None:
    guard, sandbox = evidence.refusals(stories.HALTED)
    assert (guard.agent, guard.by, guard.times) == ("build", "guard", "3 times")
    assert (sandbox.by, sandbox.what, sandbox.times) == ("sandbox", "db.internal.example:5432", "")


def test_what_is_no_row_and_no_refusal_is_no_error() -> None:
    tables, more = evidence.changed_tables(stories.HOSTILE_RUN)
    assert len(tables) == 2 and more == 0
    assert len(evidence.refusals(stories.HOSTILE_RUN)) == 2
    assert evidence.changed_tables(stories.PASSED) == ([], 0)
