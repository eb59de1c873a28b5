"""Rows damaged in every way are put back: the verification afterwards finds production unchanged."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.cases.damage import DAMAGES, SCHEMA
from tests.postgres.workflow.stage import MAJORS, Quiet, Stage, World

from ringfence.errors import IdentityError, RestoreError, UsageError
from ringfence.workflow.backups.backup import create_backup
from ringfence.workflow.comparison import verify
from ringfence.workflow.repairs import repair
from ringfence.workflow.repairs.repair import Repaired, Request

pytestmark = pytest.mark.postgres
RULES = """
[verify.rules]
events = "append-only"
"""
ALIKE = {
    *("one value", "every row of a table", "one row deleted", "one row inserted", "truncated and numbering restarted"),
    *("a trigger wrote, too", "keys moved by one", "a self-reference turned", "a circle lengthened", "text keys"),
    *("no key: values without an equality", "names that need quotes", "dates out of bounds", "a partition emptied"),
    *("one row without columns more", "not a number, minus zero, scale", "composite keys of bytes and time"),
    *("enums, arrays, composites, documents", "a cascading change of a key", "a sequence set back"),
}
"""Repaired in the way of another one that is here, or a part of ``everything at once``: among the long tests."""
FAST = Request(evidence=False)
# One statement that sets every sequence back to where it is now.
SEQUENCES = """
SELECT 'SELECT ' || string_agg(format('setval(%L::regclass, %s, %L)', format('%I.%I', schemaname, sequencename),
                                      coalesce(last_value, start_value), last_value IS NOT NULL), ', ')
FROM pg_sequences
"""


def apply(stage: Stage, request: Request = FAST) -> Repaired:
    return repair.repair_now(stage.project, None, request, agree=lambda plan: True, progress=Quiet())


def verdict(stage: Stage) -> tuple[str, tuple[str, ...]]:
    found = verify.verify(stage.project, None, progress=Quiet()).comparison
    return found.verdict, found.reasons


@pytest.fixture(scope="module")
def _shop(world: World) -> Iterator[tuple[Stage, str]]:
    with world.stage(MAJORS[0], MAJORS[0], toml=RULES) as stage:
        stage.run("production", SCHEMA)
        back = stage.value("production", SEQUENCES)
        create_backup(stage.project, issue=None, progress=Quiet())
        yield stage, str(back)


@pytest.fixture
def shop(_shop: tuple[Stage, str]) -> Stage:
    """The database of the cases, with a backup. Every test leaves its rows as they were: that is what is tested.
    Sequences that triggers moved on are no damage and are not put back by a repair, so they are put back here."""
    stage, sequences_back = _shop
    stage.run("production", sequences_back)
    return stage


def test_there_are_forty_kinds_of_damage() -> None:
    assert len(DAMAGES) >= 40


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.long if n in ALIKE else ()) for n in DAMAGES])
def test_damage_is_repaired(shop: Stage, name: str) -> None:
    shop.run("production", *DAMAGES[name])
    done = apply(shop)
    assert done.applied is not None and done.verified is not None
    comparison = done.verified.comparison
    assert {t.verdict for t in comparison.tables} == {"unchanged"}, comparison.reasons
    assert comparison.verdict in ("unchanged", "allowed"), comparison.reasons
    assert done.plan.remains == ()


def test_the_script_does_the_same_in_psql(shop: Stage, tmp_path: Path) -> None:
    shop.run("production", *DAMAGES["everything at once"], *DAMAGES["names that need quotes"])
    shop.run("production", *DAMAGES["no key: one of three equal rows"], *DAMAGES["a sequence set back"])
    pieces: list[str] = []
    plan = repair.plan_only(shop.project, None, FAST, emit=pieces.append, progress=Quiet()).plan
    text = "".join(pieces)
    assert plan.remains == () and "session_replication_role = replica" in text and text.count("COMMIT;") == 1
    assert verdict(shop)[0] == "changed", "planning wrote nothing"
    script = tmp_path / "repair.sql"
    script.write_text(text)
    psql(shop, script)
    assert verdict(shop)[0] == "unchanged", verdict(shop)[1]
    # Once more it finds nothing as it read, and changes nothing.
    psql(shop, script, fails=True)
    assert verdict(shop)[0] == "unchanged"


def psql(stage: Stage, script: Path, *, fails: bool = False, database: str | None = None) -> str:
    target = stage.production.on(database) if database else stage.production
    done = subprocess.run(
        [stage.project.programs[0].path("psql"), "-X", "-f", script, "-d", target.conninfo()],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout + done.stderr


def test_the_script_is_for_one_database_only(shop: Stage, tmp_path: Path) -> None:
    shop.run("production", *DAMAGES["one value"])
    pieces: list[str] = []
    repair.plan_only(shop.project, None, FAST, emit=pieces.append, progress=Quiet())
    script = tmp_path / "repair.sql"
    script.write_text("".join(pieces))
    assert "another server or database" in psql(shop, script, fails=True, database="postgres")
    assert "UPDATE 1" in psql(shop, script)
    assert verdict(shop)[0] == "unchanged"


def test_rows_that_may_come_stay_and_others_do_not(shop: Stage) -> None:
    shop.run(
        "production",
        "INSERT INTO events (code, customer) VALUES ('new', 5)",
        "UPDATE events SET code = 'x' WHERE id = 3",
        "DELETE FROM events WHERE id = 4",
        "SELECT setval('events_id_seq', 2)",
    )
    done = apply(shop)
    assert done.verified is not None and done.verified.passed, done.verified.comparison.reasons
    (plan,) = done.plan.tables
    assert (plan.count("change back", "replace"), plan.count("put back"), plan.count("remove")) == (1, 1, 0)
    assert len(plan.staying) == 1
    assert shop.value("production", "SELECT count(*) FROM events") == 21
    number = shop.value("production", "SELECT max(id) FROM events")
    assert shop.value("production", "SELECT last_value FROM events_id_seq") == number, "no number is given twice"
    shop.run("production", "DELETE FROM events WHERE code = 'new'", "SELECT setval('events_id_seq', 20)")


def test_newer_rows_in_the_way_are_shown_and_give_way_only_if_asked(shop: Stage) -> None:
    damage = (
        "DELETE FROM events WHERE id = 4",
        "INSERT INTO events (code, customer) VALUES ('e4', 5)",  # holds the code of a row that is put back
        "ALTER TABLE customer DISABLE TRIGGER USER",
        "INSERT INTO customer (name, email) VALUES ('spy', 'spy@example.org')",
        "ALTER TABLE customer ENABLE TRIGGER USER",
        "INSERT INTO events (code, customer) SELECT 'of the spy', max(id) FROM customer",
    )
    shop.run("production", *damage)
    with pytest.raises(RestoreError, match="2 conflicts; nothing was changed") as caught:
        apply(shop)
    assert "Key (code)=(e4) already exists" in caught.value.message and "of the spy" in caught.value.message
    assert "--overwrite" in str(caught.value.hint)
    assert shop.value("production", "SELECT count(*) FROM customer WHERE name = 'spy'") == 1
    done = apply(shop, Request(evidence=False, overwrite=True))
    assert done.applied is not None and done.applied.overwritten == 2
    assert done.verified is not None and done.verified.passed, done.verified.comparison.reasons
    assert shop.value("production", "SELECT count(*) FROM events") == 20
    shop.run("production", "SELECT setval('events_id_seq', 20)", "SELECT setval('customer_id_seq', 40)")
    assert verdict(shop)[0] == "unchanged"


def test_rows_that_changed_after_the_plan_was_shown(shop: Stage) -> None:
    shop.run("production", *DAMAGES["one value"])

    def somebody_else(plan: object) -> bool:
        shop.run("production", "UPDATE orders SET total = 77 WHERE id = 7")
        return True

    with pytest.raises(RestoreError, match="changed after the repair was planned"):
        repair.repair_now(shop.project, None, FAST, agree=somebody_else, progress=Quiet())
    assert shop.value("production", "SELECT total FROM orders WHERE id = 7") == 77
    assert apply(shop).verified.passed  # type: ignore[union-attr]


def test_a_lock_is_waited_for_and_not_for_ever(shop: Stage) -> None:
    shop.run("production", *DAMAGES["one value"])
    with psycopg.connect(shop.production.conninfo()) as other:
        other.execute("LOCK TABLE customer IN ROW EXCLUSIVE MODE")  # a table that a foreign key ties to the damaged one
        with pytest.raises(RestoreError, match=r"stayed locked for 0\.3 s; nothing was changed"):
            apply(shop, Request(evidence=False, lock_wait_s=0.3))
        assert shop.value("production", "SELECT total FROM orders WHERE id = 7") != 10.5
    assert apply(shop).verified.passed  # type: ignore[union-attr]


def test_nobody_agreed_and_nothing_is_there_to_do(shop: Stage) -> None:
    shop.run("production", *DAMAGES["one value"])
    with pytest.raises(UsageError, match="nobody agreed"):
        repair.repair_now(shop.project, None, FAST, agree=lambda plan: False, progress=Quiet())
    assert apply(shop).applied is not None
    again = apply(shop)
    assert again.applied is None and again.plan.is_empty
    assert again.verified is not None and again.verified.comparison.verdict == "unchanged"


def test_what_rows_cannot_bring_back_is_named_and_remains(shop: Stage) -> None:
    shop.run(
        "production",
        "ALTER TABLE kept ADD COLUMN extra int",
        "CREATE TABLE planted (id int)",
        "DROP TABLE cache",
        "UPDATE orders SET total = 3 WHERE id = 1",
        "UPDATE by_text SET v = 'x' WHERE k = ''",
    )
    done = apply(shop, Request(tables=("orders", "cache", "kept"), evidence=False))
    said = " | ".join(done.plan.remains)
    for text in (
        '"cache" is gone',
        '"planted" was created',
        '"kept" has other columns',
        '"by_text" differs and was not',
    ):
        assert text in said
    assert "schema" in said
    assert done.verified is not None and not done.verified.passed
    changed = {t.table.name for t in done.verified.comparison.tables if t.verdict != "unchanged"}
    assert changed == {"cache", "planted", "by_text", "kept"}
    shop.run(
        "production",
        "ALTER TABLE kept DROP COLUMN extra",
        "DROP TABLE planted",
        "CREATE UNLOGGED TABLE cache (k text PRIMARY KEY, v text)",
    )
    assert {t.facts.name.name for t in apply(shop).plan.tables} == {"cache", "by_text"}
    assert verdict(shop)[0] == "unchanged", verdict(shop)[1]


def test_the_damaged_state_is_kept_and_is_not_taken_for_a_baseline(shop: Stage) -> None:
    shop.run("production", *DAMAGES["one value"])
    done = apply(shop, Request())
    assert done.evidence is not None and done.evidence.is_evidence and "before-repair" in done.evidence.id
    assert shop.project.store.get(None).id == done.backup
    assert done.verified is not None and done.verified.comparison.verdict == "unchanged"


def test_another_database_is_refused(shop: Stage) -> None:
    shop.run("production", *DAMAGES["one value"])
    name = shop.production.database
    shop.run("production", f'ALTER DATABASE "{name}" RESET ringfence.environment')
    try:
        with pytest.raises(IdentityError):
            apply(shop)
        with pytest.raises(IdentityError):
            repair.plan_only(shop.project, None, FAST, emit=lambda text: None, progress=Quiet())
    finally:
        shop.run("production", f"ALTER DATABASE \"{name}\" SET ringfence.environment = 'production'")
    assert apply(shop).verified.passed  # type: ignore[union-attr]


def test_a_rule_that_always_acts_is_switched_off_and_on_again(shop: Stage) -> None:
    shop.run(
        "production",
        "UPDATE by_text SET v = 'x' WHERE k = 'a'",
        "CREATE RULE meddles AS ON UPDATE TO by_text DO ALSO UPDATE numbers SET c = 'x'",
        "ALTER TABLE by_text ENABLE ALWAYS RULE meddles",
    )
    done = apply(shop)
    assert done.applied is not None
    assert shop.value("production", "SELECT ev_enabled FROM pg_rewrite WHERE rulename = 'meddles'") == "A"
    assert done.verified is not None and not done.verified.passed, "the rule is still there, and is named"
    shop.run("production", "DROP RULE meddles ON by_text")
    assert verdict(shop)[0] == "unchanged", verdict(shop)[1]


def test_what_would_not_be_the_baseline_is_not_committed(shop: Stage) -> None:
    """A generated column is made by a function that somebody replaced: rows put back would have other values."""
    shop.run(
        "production",
        "CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE RETURN n * 3",
        "DELETE FROM made WHERE id = 2",
    )
    with pytest.raises(RestoreError, match="would not be what it was") as caught:
        apply(shop)
    assert "nothing was changed" in caught.value.message
    assert shop.value("production", "SELECT count(*) FROM made") == 4
    shop.run("production", "CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE RETURN n * 2")
    assert apply(shop).verified.passed  # type: ignore[union-attr]
    assert verdict(shop)[0] == "unchanged", verdict(shop)[1]
