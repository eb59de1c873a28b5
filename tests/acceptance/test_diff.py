"""``diff``: the rows that differ, by key, with old and new values; what must not be shown is not."""

from __future__ import annotations

import html.parser
from typing import Any

import pytest

ODD = "a\"b;'"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def damaged(shop):
    """The shop with one table more than usual, a backup of that, and damage done after it."""
    shop.sql(
        "production",
        'CREATE TABLE "a""b;\'" (id int PRIMARY KEY, "sécret" text, "v>" text)',
        "INSERT INTO \"a\"\"b;'\" VALUES (1, 'hunter2', 'x'), (2, 'hunter3', 'y')",
        "CREATE TABLE plain (v int, w jsonb)",
        "CREATE TABLE hollow (v int)",
        "INSERT INTO plain VALUES (1, '{}'), (1, '{}'), (2, NULL)",
    )
    baseline = shop.json("backup", "create")["backup"]["id"]
    assert shop.json("diff")["tables"] == []
    assert shop.run("diff").said.startswith(f"NO ROW DIFFERS against {baseline}")
    shop.sql(
        "production",
        """UPDATE "SKU" SET price = 99.50 WHERE id = 7""",
        """DELETE FROM "Transaction" WHERE id IN (3, 10)""",
        """INSERT INTO "Transaction" ("skuId", quantity) VALUES (1, 12)""",
        f"""UPDATE "a""b;'" SET "v>" = '{SCRIPT}', "sécret" = 'hunter4' WHERE id = 1""",
        "UPDATE plain SET v = 3 WHERE ctid = (SELECT min(ctid) FROM plain)",
    )
    yield shop
    shop.reset_production()


def tables(document: dict[str, Any]) -> dict[str, Any]:
    return {t["name"]: t for t in document["tables"]}


def test_rows_that_differ(damaged):
    check_rows_by_key_with_old_and_new_values(damaged)
    check_one_table_and_a_limit_that_says_what_it_leaves_out(damaged)
    check_masked_columns_are_shown_nowhere(damaged)
    check_the_page_is_complete_in_itself_and_nothing_in_it_is_markup_of_a_value(damaged)


def check_rows_by_key_with_old_and_new_values(damaged):
    document = damaged.json("diff")
    found = tables(document)
    assert found.keys() == {"SKU", "Transaction", ODD, "plain"}
    sku = found["SKU"]
    assert (sku["schema"], sku["key"], sku["rule"], sku["status"]) == ("public", ["id"], "exact", "compared")
    assert [(r["key"], r["change"]) for r in sku["rows"]] == [({"id": 7}, "update")]
    assert sku["rows"][0]["before"] == {"id": 7, "code": "S7", "componentId": 8, "price": "10.50"}
    assert sku["rows"][0]["after"] == {"id": 7, "code": "S7", "componentId": 8, "price": "99.50"}
    moves = found["Transaction"]
    assert [(r["key"]["id"], r["change"]) for r in moves["rows"][:2]] == [(3, "delete"), (10, "delete")]
    assert moves["rows"][2]["change"] == "insert" and moves["rows"][2]["key"]["id"] > 400
    assert moves["rows"][0]["after"] is None and moves["rows"][2]["before"] is None
    assert moves["rule"] == "append-only"
    assert (moves["inserted"], moves["updated"], moves["deleted"], moves["more"]) == (1, 0, 2, 0)
    plain = found["plain"]
    assert plain["key"] == [] and [r["key"] for r in plain["rows"]] == [{}, {}]
    assert {r["change"]: (r["before"] or r["after"])["v"] for r in plain["rows"]} == {"delete": 1, "insert": 3}
    assert document["other"] == []

    said = damaged.run("diff").said
    assert '"SKU" 1 updated' in said and "~ id 7 price 10.50 → 99.50" in said
    assert "- id 3 at 2026-01-01 08:00:00+00" in said and "+ id 4" in said
    assert "no key: a changed row is one deleted and one inserted" in said
    assert "append-only: new rows are allowed" in said and "ringfence repair" in said


def check_one_table_and_a_limit_that_says_what_it_leaves_out(damaged):
    document = damaged.json("diff", "--table", "Transaction", "--limit", "1")
    assert tables(document).keys() == {"Transaction"} and document["other"] is None and document["compared"] == 1
    entry = document["tables"][0]
    assert (len(entry["rows"]), entry["deleted"], entry["inserted"], entry["more"]) == (1, 2, 1, 2)
    assert "and 2 more" in damaged.run("diff", "--table", '"Transaction"', "--limit", "1").said
    assert damaged.json("diff", "--table", "Component")["tables"] == []
    assert tables(damaged.json("diff", "--table", ODD)).keys() == {ODD}
    assert "no table nowhere" in damaged.refused("diff", "--table", "nowhere", code=2)


def check_masked_columns_are_shown_nowhere(damaged):
    page = damaged.base / "page.html"
    done = damaged.run("diff", "--mask", "sécret", "--html", str(page))
    assert "hunter" not in done.err
    for text in (done.out, page.read_text(), damaged.run("diff", "--json", "--mask", "SÉCRET").out):
        assert "hunter" not in text and "****" in text
    row = tables(damaged.json("diff", "--mask", "sécret"))[ODD]["rows"][0]
    assert row["before"]["sécret"] == row["after"]["sécret"] == "****" and row["after"]["v>"] == SCRIPT
    assert "no table has such a column" in damaged.refused("diff", "--mask", "secert", code=2)
    damaged.config.write_text(damaged.config.read_text().replace("mask = []", """mask = ["\\"a\\"\\"b;'\\".sécret"]"""))
    assert "hunter" not in damaged.run("diff").out
    damaged.config.write_text(damaged.config.read_text().replace("sécret", "typo"))
    assert "is the name of no column" in damaged.run("diff").said


class Page(html.parser.HTMLParser):
    """The tags of a page, its text, and whether every tag that was opened was closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for n, v in attrs if n in ("href", "src", "action")]
        assert not any(n.startswith("on") for n, _ in attrs)
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check_the_page_is_complete_in_itself_and_nothing_in_it_is_markup_of_a_value(damaged):
    path = damaged.base / "page.html"
    assert f"written: {path}" in damaged.run("diff", "--html", str(path)).said
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    page = Page(text)
    assert not page.open and "script" not in page.tags and "link" not in page.tags and "img" not in page.tags
    assert all(link.startswith("#t") for link in page.links)
    assert SCRIPT in page.text and SCRIPT not in text and ODD.replace('"', '""') in page.text
    assert "99.50" in page.text and "url(" not in text and "@import" not in text
    assert "viewport" in text and "prefers-color-scheme: dark" in text
    assert "cannot write" in damaged.refused("diff", "--html", "/nowhere/page.html", code=2)


def test_tables_and_columns_that_came_and_went(damaged):
    damaged.sql(
        "production",
        'ALTER TABLE "Component" ADD COLUMN colour text, DROP COLUMN notes',
        """UPDATE "Component" SET quantity = 1 WHERE id = 2""",
        "CREATE TABLE planted (id int PRIMARY KEY)",
        "INSERT INTO planted VALUES (5)",
        "DROP TABLE plain",
        "ALTER TABLE hollow ADD COLUMN more int",
    )
    assert tables(damaged.json("diff", "--table", "hollow"))["hollow"]["columns"]["added"] == ["more"]
    document = damaged.json("diff")
    found = tables(document)
    component = found["Component"]
    assert component["columns"] == {"dropped": ["notes"], "added": ["colour"], "changed": []}
    assert [(r["key"], r["before"]["quantity"], r["after"]["quantity"]) for r in component["rows"]] == [
        ({"id": 2}, "6.00", "1.00")
    ]
    assert (found["planted"]["status"], found["planted"]["rows"][0]["after"]) == ("created", {"id": 5})
    assert (found["plain"]["status"], found["plain"]["deleted"], len(found["plain"]["rows"])) == ("dropped", 3, 3)
    assert any("colour" in o["object"] for o in document["other"])
    said = damaged.run("diff").said
    assert "column notes dropped; rows are compared without it" in said and "besides rows" in said
    check_a_reference_that_was_touched_is_not_believed(damaged)


def check_a_reference_that_was_touched_is_not_believed(damaged):

    reference = next(n for n in damaged.databases("test") if "reference" in n)
    damaged.sql("test", """UPDATE "SKU" SET price = 99.50 WHERE id = 7""", database=reference)
    done = damaged.run("diff", "--json")
    assert "made anew" in done.err
    assert tables(done.document)["SKU"]["rows"][0]["before"]["price"] == "10.50"
