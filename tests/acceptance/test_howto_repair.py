"""docs/how-to/repair.md: its commands, one after the other, on a run that found production changed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.acceptance.runs import PRICES, go

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "repair.md"


def commands() -> list[tuple[list[str], str | None, int]]:
    """Each command of the page: its words, the file its output goes to, its exit status."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), flags=re.S | re.M):
        for line in block.splitlines():
            words, _, comment = line.partition(" # ")
            exits = re.search(r"exit (\d+)", comment)
            parts = shlex.split(words)
            where = parts.index(">") if ">" in parts else len(parts)
            assert parts[0] == "ringfence"
            file = parts[where + 1] if where < len(parts) else None
            found.append((parts[1:where], file, int(exits[1]) if exits else 0))
    return found


def test_the_commands_of_the_page(shop):
    shop.configure()
    run = go(shop, "Prices", command="pre")
    shop.sql("production", PRICES, """DELETE FROM "Transaction" WHERE id < 5""")
    shop.json("post", code=3)
    assert len(commands()) >= 9
    for words, file, code in commands():
        done = shop.run(*(run["id"] if w == "RUN" else w for w in words), code=code)
        if file:
            (shop.root / file).write_text(done.out)
            assert done.out.startswith("-- Repair of inventory: 29 rows of 2 tables") and "UPDATE ONLY" in done.out
            assert "REPAIR OF 29 ROWS" in done.err
    assert shop.contents("production") == shop.kept
    assert (shop.root / "damage.html").stat().st_size > 1000
    run = go(shop, "Again", command="pre")
    assert shop.json("post")["verdict"] in ("unchanged", "allowed")


def test_repair_as_a_program_sees_it(shop):
    shop.json("backup", "create")
    shop.sql("production", """UPDATE "SKU" SET price = 0 WHERE id = 3""")
    planned = shop.json("repair")
    assert (planned["applied"], planned["verified"]) == (False, None) and "BEGIN;" in planned["sql"]
    assert planned["tables"][0] | {"name": "SKU", "set_back": 1, "put_back": 0, "removed": 0} == planned["tables"][0]
    assert "nobody agreed" in shop.refused("repair", "--apply", code=2)
    assert "about --apply" in shop.refused("repair", "--yes", code=2)
    done = shop.json("repair", "--apply", "--yes", "--no-backup")
    assert (done["applied"], done["verified"]["verdict"], done["sql"]) == (True, "unchanged", None)
    assert shop.run("repair").out == "", "nothing to do is no script"
    shop.sql("production", 'ALTER TABLE "SKU" ADD COLUMN spy int')
    done = shop.json("repair", "--apply", "--yes", code=3)
    assert done["applied"] is False and any("other columns" in text for text in done["not_repaired"])
    shop.sql("production", 'ALTER TABLE "SKU" DROP COLUMN spy')
