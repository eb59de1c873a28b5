"""The text of a comment: what it says, and what nobody can make it say."""

from __future__ import annotations

from ringfence.notify.body import LIMIT, StepLine, Story, alarm, code, progress

STORY = Story(
    run_id="20261122T101530Z-3f2a91",
    headline="HALT, production is not shown to be unchanged",
    task="Add a low-stock limit #7",
    steps=[StepLine(name="backup", outcome="done", took="0.25 s", note="3 tables, 5,200 rows")],
    reasons=['table "SKU": 25 rows updated'],
    next_steps=["ringfence report 20261122T101530Z-3f2a91"],
)


def test_progress_has_the_headline_every_step_and_the_run() -> None:
    text = progress(STORY)
    assert text.startswith("### Ringfence: HALT, production is not shown to be unchanged\n")
    assert "| `backup` | done | 0.25 s | `3 tables, 5,200 rows` |" in text
    assert '- `table "SKU": 25 rows updated`' in text
    assert "`20261122T101530Z-3f2a91`" in text


def test_an_alarm_says_what_to_do_and_has_no_table() -> None:
    text = alarm(STORY)
    assert "- `ringfence report 20261122T101530Z-3f2a91`" in text
    assert "| --- |" not in text


def test_names_can_mention_nobody_and_close_no_code() -> None:
    assert code("a`b``c") == "```a`b``c```"
    assert code("`x") == "`` `x ``"
    assert code("a|b\nc") == "`a¦b\\nc`"
    hostile = Story(
        run_id="r", headline="see @everyone <img src=x> [a](http://x)", task="", steps=(), reasons=(), next_steps=()
    )
    assert "@" not in progress(hostile)
    assert "<img" not in progress(hostile)
    assert "[a](" not in progress(hostile)


def test_passwords_are_masked() -> None:
    told = Story(
        run_id="r",
        headline="h",
        task="use postgresql://inventory_admin:geheim123@db/inventory",
        steps=(),
        reasons=(),
        next_steps=(),
    )
    assert "geheim123" not in progress(told)


def test_no_body_is_longer_than_github_takes() -> None:
    many = [StepLine(name=f"agent {n}", outcome="done", took="1 s", note="x" * 300) for n in range(1000)]
    told = Story(run_id="r", headline="h", task="", steps=many, reasons=(), next_steps=())
    assert len(progress(told)) <= LIMIT
    assert progress(told).endswith("(the rest is cut off)")
