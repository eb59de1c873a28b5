"""The rows that a HALT keeps: of tables with odd names, new ones, emptied ones, with other columns, with secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.runs import go, resolve

pytestmark = pytest.mark.long

DAMAGE = """
CREATE TABLE "a""b;'<i>" (note text, "pass word" text, password text);
INSERT INTO "a""b;'<i>" VALUES ('</td><script>x</script>', 'shown', 'hidden');
ALTER TABLE "SKU" DROP COLUMN price;
DELETE FROM "Transaction" WHERE id <= 3;
INSERT INTO "Transaction" ("skuId", quantity) SELECT 1, 1 FROM generate_series(1, 300);
TRUNCATE "Component" CASCADE;
"""


def test_whatever_was_done_to_rows_is_on_record(shop):
    script = shop.scripts / "damage.sql"
    script.write_text(DAMAGE)
    shop.agent("build", shop.production_psql("SELECT 1").replace("-c 'SELECT 1'", f"-f {script}"))
    shop.configure("build")
    run = go(shop, "Damage", code=3)
    found = {table["name"]: table for table in run["changed_rows"]["tables"]}
    odd = found["a\"b;'<i>"]
    assert (odd["status"], odd["key"], odd["inserted"]) == ("created", [], 1)
    assert odd["rows"][0]["after"] == {
        "note": "</td><script>x</script>",
        "pass word": "shown",
        "password": "****",
    }
    assert [table["status"] for name, table in found.items() if name != odd["name"]] == ["compared"] * (len(found) - 1)
    component = found["Component"]
    assert component["deleted"] == len(component["rows"]) + component["more"] > 0
    assert {row["change"] for row in component["rows"]} == {"delete"}
    page = Path(shop.json("report")["page"]).read_text()
    assert "<script>" not in page and "hidden" not in page and "the table is new" in page
    for name in found:
        assert len(found[name]["rows"]) <= 20
    resolve(shop, run)
