"""``verify``: production against its baseline, table by table, and what may happen to it all the same."""

from __future__ import annotations

from typing import Any

import pytest
from tests.acceptance.project import words_of

VERIFY_KEYS = {
    *("schema", "verdict", "proof", "proof_reasons", "baseline", "tables", "other", "reasons"),
    "seconds",  # more than DESIGN section 4 names
}
TABLE_KEYS = {
    *("schema", "name", "rule", "rows_before", "rows_after", "inserted", "updated", "deleted", "verdict"),
}


@pytest.fixture
def baseline(shop) -> str:
    """The newest backup, made of production as it is."""
    return str(shop.json("backup", "create")["backup"]["id"])


def table(document: dict[str, Any], name: str) -> dict[str, Any]:
    """The entry of one table; all others must be unchanged."""
    others = [t for t in document["tables"] if t["name"] != name]
    assert {t["verdict"] for t in others} <= {"unchanged"}, others
    return next(t for t in document["tables"] if t["name"] == name)


def counts(entry: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """Rows before and after; inserted, updated, deleted."""
    return tuple(entry[k] for k in ("rows_before", "rows_after", "inserted", "updated", "deleted"))  # type: ignore[return-value]


def test_unchanged(shop, baseline):
    document = shop.json("verify")
    assert document.keys() == VERIFY_KEYS
    assert (document["verdict"], document["proof"], document["baseline"]) == ("unchanged", "wal", baseline)
    assert document["other"] == [] and document["reasons"] == []
    assert [t["name"] for t in document["tables"]] == ["Component", "SKU", "Transaction"]
    for entry in document["tables"]:
        assert entry.keys() == TABLE_KEYS
        assert entry["verdict"] == "unchanged" and counts(entry)[2:] == (0, 0, 0)
    said = shop.run("verify").said
    assert f"PRODUCTION UNCHANGED against {baseline}" in said


def test_what_is_no_change(shop, baseline):
    shop.sql(
        "production",
        'VACUUM FULL "SKU"',
        "VACUUM (FREEZE, ANALYZE)",
        "ANALYZE",
        "CHECKPOINT",
        'REINDEX TABLE "SKU"',
        'SELECT * FROM "SKU" FOR UPDATE',
        """UPDATE "SKU" SET price = price""",
        'BEGIN; DELETE FROM "Transaction"; DROP TABLE "Transaction"; ROLLBACK',
        "CREATE TEMP TABLE mine (id serial PRIMARY KEY)",
        """UPDATE "Component" SET notes = 'x'""",
        """UPDATE "Component" SET notes = NULL""",
    )
    assert shop.json("verify")["verdict"] == "unchanged"
    shop.run("down")
    shop.run("up")
    assert shop.json("verify")["verdict"] == "unchanged"

    insert = """BEGIN; INSERT INTO "SKU" (code, "componentId", price) VALUES ('x', 1, 1); ROLLBACK"""
    shop.sql("production", *[insert] * 3)
    document = shop.json("verify")
    assert document["verdict"] == "allowed" and document["baseline"] == baseline
    assert {t["verdict"] for t in document["tables"]} == {"unchanged"}
    assert words_of(document["other"]) == {'sequence sequence public."SKU_id_seq"'}


def test_every_kind_of_change_with_its_counts(shop, baseline):
    def found(*statements: str) -> dict[str, Any]:
        shop.sql("production", *statements)
        document = shop.json("verify", code=3)
        assert (document["verdict"], document["baseline"]) == ("changed", baseline)
        return document

    document = found("""UPDATE "SKU" SET price = price + 0.01 WHERE id = 7""")
    assert counts(table(document, "SKU")) == (100, 100, 0, 1, 0)
    assert document["reasons"] == ['table "SKU": 1 row updated (100 rows before and after)']
    said = shop.run("verify", code=3).said
    assert "HALT: PRODUCTION CHANGED" in said and 'table "SKU": 1 row updated' in said and "Do not commit" in said
    shop.sql("production", """UPDATE "SKU" SET price = price - 0.01 WHERE id = 7""")

    rows = shop.sql("production", """SELECT * FROM "Transaction" WHERE id IN (3, 4) ORDER BY id""")
    document = found(
        """DELETE FROM "Transaction" WHERE id IN (3, 4)""",
        """INSERT INTO "Transaction" OVERRIDING SYSTEM VALUE VALUES (9003, 4, 3), (9004, 5, 4)""",
    )
    assert counts(table(document, "Transaction")) == (400, 400, 2, 0, 2)
    shop.sql(
        "production",
        """DELETE FROM "Transaction" WHERE id IN (9003, 9004)""",
        """INSERT INTO "Transaction" OVERRIDING SYSTEM VALUE VALUES (3, 4, 3), (4, 5, 4)""",
    )
    assert shop.sql("production", """SELECT * FROM "Transaction" WHERE id IN (3, 4) ORDER BY id""") == rows

    document = found("""ALTER TABLE "Component" ADD COLUMN colour text""")
    assert 'schema column public."Component".colour' in words_of(document["other"])
    shop.sql("production", """ALTER TABLE "Component" DROP COLUMN colour""")

    document = found("CREATE TABLE planted (id int)", "INSERT INTO planted VALUES (1), (2)")
    assert counts(table(document, "planted"))[:2] == (None, 2)
    assert 'table "planted": created (it has 2 rows)' in document["reasons"]
    shop.sql("production", "DROP TABLE planted")

    assert shop.json("verify")["verdict"] == "unchanged", "everything was put back"

    document = found("""ALTER TABLE "Transaction" RENAME TO "Gone" """)
    assert 'table "Transaction": dropped (it had 400 rows)' in document["reasons"]
    assert 'table "Gone": created (it has 400 rows)' in document["reasons"]
    shop.sql("production", """ALTER TABLE "Gone" RENAME TO "Transaction" """)


def test_a_table_that_may_only_grow(shop, baseline):
    shop.sql("production", """INSERT INTO "Transaction" ("skuId", quantity) VALUES (1, 1), (2, 2)""")
    document = shop.json("verify")
    assert document["verdict"] == "allowed"
    entry = table(document, "Transaction")
    assert (entry["rule"], entry["verdict"]) == ("append-only", "allowed")
    assert counts(entry) == (400, 402, 2, 0, 0)
    assert "PRODUCTION CHANGED AS ALLOWED" in shop.run("verify").said

    shop.sql("production", """UPDATE "Transaction" SET quantity = quantity + 1 WHERE id = 1""")
    entry = table(shop.json("verify", code=3), "Transaction")
    assert entry["verdict"] == "changed" and counts(entry) == (400, 402, 2, 1, 0)
    shop.sql("production", """DELETE FROM "Transaction" WHERE id > 400""")
    shop.sql("production", """UPDATE "Transaction" SET quantity = quantity - 1 WHERE id = 1""")


def test_a_table_that_is_ignored_for_a_reason(shop, baseline):
    rule = '\'"SKU"\' = { rule = "ignore", reason = "prices come from the supplier" }\n'
    shop.config.write_text(shop.config.read_text().replace("[workflow]\n", f"{rule}\n[workflow]\n"))
    shop.sql("production", """UPDATE "SKU" SET price = price + 1""")
    document = shop.json("verify")
    assert document["verdict"] == "allowed"
    assert any("prices come from the supplier" in reason for reason in document["reasons"])
    shop.sql("production", """ALTER TABLE "SKU" RENAME TO "Sku" """)
    assert shop.json("verify", code=3)["verdict"] == "changed", "nobody agreed to lose it"
    shop.sql("production", """ALTER TABLE "Sku" RENAME TO "SKU" """, """UPDATE "SKU" SET price = price - 1""")


def test_against_an_older_baseline(shop, baseline):
    shop.sql("production", """UPDATE "SKU" SET price = 9.99 WHERE id = 1""")
    newer = shop.json("backup", "create")["backup"]["id"]
    assert shop.json("verify")["baseline"] == newer
    document = shop.json("verify", "--backup", baseline, code=3)
    assert counts(table(document, "SKU")) == (100, 100, 0, 1, 0)
    shop.sql("production", """UPDATE "SKU" SET price = 1.5 WHERE id = 1""")
    assert shop.json("verify", "--backup", baseline)["verdict"] == "unchanged"


def test_a_session_that_may_still_change_something(shop, baseline):
    with shop.connect("production", role="inventory_app") as application:
        application.execute("BEGIN")
        application.execute("""UPDATE "SKU" SET price = 0 WHERE id = 1""")
        document = shop.json("verify", code=3)
        application.execute("ROLLBACK")
    assert document["verdict"] == "unknown"
    assert any("inventory_app" in reason and "not committed" in reason for reason in document["reasons"])


def test_a_change_is_a_change_where_its_rows_cannot_be_compared(shop, baseline):
    shop.kill_server("test")
    shop.sql("production", """UPDATE "SKU" SET price = price + 1 WHERE id = 1""")
    try:
        document = shop.json("verify", code=3)
        assert document["verdict"] == "changed"
        assert counts(table(document, "SKU")) == (100, 100, None, None, None)
        assert any("could not be compared" in reason for reason in document["reasons"])
    finally:
        shop.sql("production", """UPDATE "SKU" SET price = price - 1 WHERE id = 1""")
        shop.run("up")


@pytest.mark.long
def test_an_upgrade_that_sets_another_setting_is_allowed_and_said(shop):
    """The baseline is of a server that an earlier version started: without one of the settings there are now."""
    settings = shop.data("production") / "ringfence.conf"
    kept = [line for line in settings.read_text().splitlines(keepends=True) if "log_disconnections" not in line]
    settings.write_text("".join(kept))
    shop.sql("production", "SELECT pg_reload_conf()")
    shop.run("backup", "create")
    shop.run("down", "production")
    shop.run("up", "production")
    document = shop.json("verify")
    assert document["verdict"] == "allowed"
    assert words_of(document["other"]) == {
        "setting server setting log_disconnections",
        "setting setting in the configuration files log_disconnections",
    }
    assert all("this version of ringfence" in reason for reason in document["reasons"])
    shop.sql("production", "ALTER SYSTEM SET log_disconnections = off", "SELECT pg_reload_conf()")
    assert shop.json("verify", code=3)["verdict"] == "changed"
    shop.sql("production", "ALTER SYSTEM RESET log_disconnections", "SELECT pg_reload_conf()")
