"""The runbook in docs/how-to/recover.md, executed command by command on a production that an agent has damaged."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

RUNBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "recover.md"


def commands() -> list[list[str]]:
    """Every command of the page, in order."""
    blocks = re.findall(r"^```bash\n(.*?)^```", RUNBOOK.read_text(), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]
    found = [shlex.split(line) for line in lines]
    assert all(words[0] == "ringfence" for words in found)
    return [words[1:] for words in found]


def test_the_runbook_brings_production_back(shop):
    good = shop.json("backup", "create")["backup"]["id"]
    before = shop.contents("production")
    # Somebody else's session keeps coming back; an object is gone, rows are changed, a right was given away.
    shop.sql(
        "production",
        'UPDATE "SKU" SET price = price + 1 WHERE id <= 25',
        'DROP TABLE "Transaction"',
        "GRANT CREATE ON DATABASE inventory TO PUBLIC",
    )
    assert shop.contents("production") != before
    expected = {("verify",): [3, 0]}
    ran = []
    for words in commands():
        ran.append(words[0])
        codes = expected.get(tuple(words), [])
        shop.run(*[good if w == "$BACKUP" else w for w in words], code=codes.pop(0) if codes else 0)
    assert ran.count("restore") == 1 and ran.count("verify") == 2
    assert shop.contents("production") == before
    acl = shop.sql("production", "SELECT has_database_privilege('public', 'inventory', 'CREATE')")
    assert acl == [(False,)]
    damaged = [d for d in shop.databases("production") if d.endswith("_damaged")]
    assert len(damaged) == 1 and "public.Transaction" not in shop.contents("production", database=damaged[0])
    shop.sql("production", f"DROP DATABASE {damaged[0]} WITH (FORCE)", database="postgres")
    shop.run("reseed")


def test_restore_asks_before_it_does_anything(shop):
    newest = shop.json("backup", "list")["backups"][0]["id"]
    before = shop.databases("production")
    assert "--yes" in shop.refused("restore", newest, code=2), "there is no terminal to ask on"
    assert "no such backup" in shop.refused("restore", "inventory_backup_x_20200101T000000Z", "--yes", code=5)
    assert shop.databases("production") == before
