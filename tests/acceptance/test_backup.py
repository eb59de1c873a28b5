"""``backup create``, ``list`` and ``verify``: names, rotation, and what is damaged is told."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.project import Project, ends, processes_with, wait_for
from tests.thin import some

BACKUP_KEYS = {
    *("id", "file", "manifest", "issue", "created_at", "bytes", "sha256", "server_version", "tables"),
    "sequence",  # more than DESIGN section 4 names
}
TABLE_KEYS = {"schema", "name", "rows", "fingerprint"}
TIMESTAMP = r"20\d{6}T\d{6}Z"


@contextlib.contextmanager
def locked(project: Project, table: str) -> Iterator[None]:
    """Hold a table so that a dump has to wait for it; whoever waits is seen in `waiting`."""
    with project.connect("production") as connection:
        connection.execute("BEGIN")
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        connection.execute("ROLLBACK")


def waiting(project: Project) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'inventory' AND wait_event_type = 'Lock'"
    return project.sql("production", query, database="postgres")[0][0] > 0


def published(project: Project) -> set[str]:
    """The names of dumps and manifests."""
    return {p.name for p in project.backups.iterdir() if not p.name.startswith(".")}


def test_a_backup_and_its_baseline(shop):
    document = shop.json("backup", "create", "--issue", "#7")
    assert document.keys() == {"schema", "backup", "removed", "kept", "mirror_problem", "seconds"}
    made = document["backup"]
    assert made.keys() == BACKUP_KEYS
    assert re.fullmatch(rf"inventory_backup_7_{TIMESTAMP}", made["id"])
    assert made["issue"] == "7"
    assert made["file"] == str(shop.backups / f"{made['id']}.dump")
    assert made["manifest"] == str(shop.backups / f"{made['id']}.manifest.json")
    assert re.fullmatch(r"[0-9a-f]{64}", made["sha256"])
    assert made["created_at"].endswith("Z")
    assert os.path.getsize(made["file"]) == made["bytes"] > 0
    for path in (made["file"], made["manifest"]):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(shop.backups.stat().st_mode) == 0o700
    contents = shop.contents("production")
    assert {f"{t['schema']}.{t['name']}": t["rows"] for t in made["tables"]} == {
        name: rows for name, (rows, _) in contents.items()
    }
    assert all(t.keys() == TABLE_KEYS and re.fullmatch(r"[0-9a-f]{32}", t["fingerprint"]) for t in made["tables"])
    assert document["kept"][0] == {"id": made["id"], "reason": "newest"}
    assert all(k.keys() == {"id", "reason"} for k in document["kept"])
    manual = shop.run("backup", "create")
    assert re.search(rf"BACKUP MADE inventory_backup_manual_{TIMESTAMP}", manual.said)
    assert '"Component" 50, "SKU" 100, "Transaction" 400' in manual.said


@pytest.mark.parametrize(
    ("option", "issue"),
    [
        ("https://github.com/acme/shop/issues/12", "12"),
        pytest.param("PROJ-42", "PROJ-42", marks=pytest.mark.long),
    ],
)
def test_the_issue_is_part_of_the_name(shop, option, issue):
    made = shop.json("backup", "create", "--issue", option)["backup"]
    assert made["issue"] == issue and made["id"].startswith(f"inventory_backup_{issue}_")


@pytest.mark.parametrize("option", some(["../../etc/passwd", "", "-x", "7;rm -rf ~"], keep=1))
def test_an_issue_that_cannot_be_part_of_a_name(shop, option):
    before = published(shop)
    assert "is not an issue" in shop.refused("backup", "create", f"--issue={option}", code=2)
    assert published(shop) == before


@pytest.mark.parametrize("keep", [2, pytest.param(5, marks=pytest.mark.long)])
def test_what_is_one_too_many_goes_and_the_oldest_go_first(shop, keep):
    """Five is what stands in every new ringfence.toml."""
    text = shop.config.read_text()
    assert "\nkeep = 5\n" in text
    shop.config.write_text(text.replace("\nkeep = 5\n", f"\nkeep = {keep}\n"))
    shop.run("backup", "create", "--issue", "proven")
    shop.run("reseed")
    proven = shop.json("backup", "list")["backups"][0]
    assert proven["proven"] is True
    foreign = {"notes.txt", "inventory_backup_1_20200101T000000Z.dump"}
    for name in foreign:
        (shop.backups / name).write_text("not made by this tool")
    try:
        made: list[str] = []
        for number in range(1, keep + 3):
            before = published(shop)
            document = shop.json("backup", "create", "--issue", str(number))
            made.append(document["backup"]["id"])
            gone = {f"{id_}{end}" for id_ in document["removed"] for end in (".dump", ".manifest.json")}
            missing = {name for name in before - published(shop) if not name.endswith(".marks.json")}
            assert missing == gone
            if number > keep:
                assert document["removed"] == made[-keep - 1 : -keep], (
                    "the oldest goes, and only where there is one too many"
                )
                kept = {k["id"]: k["reason"] for k in document["kept"]}
                assert list(kept) == [*reversed(made[-keep:]), proven["id"]]
                assert kept[proven["id"]] == "the newest proven one", "unproven ones do not push it out"
        stay = {f"{id_}{end}" for id_ in (*made[-keep:], proven["id"]) for end in (".dump", ".manifest.json")}
        assert published(shop) == stay | {f"{proven['id']}.marks.json"} | foreign
        shop.run("reseed")  # proves the newest, and so the old one may go
        made.append(shop.json("backup", "create")["backup"]["id"])
        left = published(shop)
        newest = {f"{id_}{end}" for id_ in made[-keep:] for end in (".dump", ".manifest.json")}
        assert left == newest | {f"{made[-2]}.marks.json"} | foreign
        listing = shop.json("backup", "list")
        assert listing.keys() == {"schema", "backups", "foreign", "only_in_the_mirror", "mirror_problem"}
        assert [b["id"] for b in listing["backups"]] == list(reversed(made[-keep:]))
        assert all(
            b.keys() == BACKUP_KEYS | {"problem", "reason", "proven", "proven_by", "mirrored", "pinned"}
            for b in listing["backups"]
        )
        assert all(b["problem"] is None and b["reason"] for b in listing["backups"])
        assert set(listing["foreign"]) == foreign, "what no manifest lists is reported and left alone"
        assert [b["id"] for b in shop.json("status")["backups"]] == [b["id"] for b in listing["backups"]]
    finally:
        shop.config.write_text(text)
        for name in foreign:
            (shop.backups / name).unlink()


@pytest.mark.long
def test_the_oldest_one_goes_only_for_a_new_one_that_is_in_place(shop):
    before = published(shop)
    shop.kill_server("production")
    assert "HINT: " in shop.refused("backup", "create", code=5)
    assert published(shop) == before
    assert shop.json("verify", code=3)["verdict"] == "unknown"
    shop.run("up")


def test_a_backup_that_is_killed_leaves_nothing_that_is_taken_for_one(shop):
    before = published(shop)
    with locked(shop, '"SKU"'):
        child = shop.start("backup", "create", "--issue", "9")
        wait_for(lambda: waiting(shop), "the dump to wait for the table")
        said = shop.refused("backup", "create", code=4)
        assert str(child.pid) in said, "the second one says who is at it"
        child.send_signal(signal.SIGKILL)
        assert ends(child) == -signal.SIGKILL
    assert published(shop) == before
    wait_for(lambda: not processes_with("pg_dump", str(shop.base)), "the dump that was left to end")
    newest = shop.json("backup", "create")["backup"]["id"]
    assert published(shop) - before == {f"{newest}.dump", f"{newest}.manifest.json"}
    assert not list(shop.backups.glob(".staging-*"))
    assert shop.json("verify")["baseline"] == newest


@pytest.mark.long
def test_a_table_that_somebody_holds_is_named(shop):
    before = published(shop)
    with locked(shop, '"SKU"'):
        said = shop.refused("backup", "create", code=5)
    assert 'table public."SKU" is locked by session' in said and "end its transaction" in said
    assert published(shop) == before


def test_a_damaged_backup_is_found_and_never_used(shop):
    document = shop.json("backup", "create")
    made, older = document["backup"], document["kept"][1]["id"]
    dump = Path(made["file"])
    whole = dump.read_bytes()

    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    dump.write_bytes(flipped)
    assert "SHA-256" in shop.refused("backup", "verify", made["id"], code=5)
    tables = shop.contents("test")
    assert "SHA-256" in shop.refused("reseed", "--backup", made["id"], code=5)
    assert shop.contents("test") == tables

    dump.write_bytes(whole[:-1])
    assert f"{len(whole)}" in shop.refused("backup", "verify", f"{made['id']}.dump", code=5)
    listing = {b["id"]: b["problem"] for b in shop.json("backup", "list")["backups"]}
    assert "bytes" in listing[made["id"]] and listing[older] is None
    assert shop.json("verify")["baseline"] == older, "without a name the newest sound one is used"
    dump.write_bytes(whole)
    proven = {"schema": 1, "backup": made["id"], "sound": True, "restored": True}
    assert shop.json("backup", "verify", "--restore") == proven


@pytest.mark.long
def test_an_altered_or_lost_manifest_is_named(shop):
    made = shop.json("backup", "create")["backup"]
    dump, manifest = Path(made["file"]), Path(made["manifest"])
    original = manifest.read_bytes()
    said = json.loads(original)
    said["baseline"]["tables"][0]["rows"] += 1
    manifest.write_text(json.dumps(said))
    assert "altered" in shop.refused("verify", "--backup", made["id"], code=5)

    manifest.unlink()
    assert "manifest is gone" in shop.refused("backup", "verify", made["id"], code=5)
    manifest.write_bytes(original)
    dump.rename(dump.with_name("elsewhere"))
    assert "dump is gone" in shop.refused("backup", "verify", made["id"], code=5)
    dump.with_name("elsewhere").rename(dump)
    assert shop.json("backup", "verify") == {"schema": 1, "backup": made["id"], "sound": True, "restored": False}

    assert "no such backup" in shop.refused("backup", "verify", "inventory_backup_x_20200101T000000Z", code=5)
    assert "no such backup" in shop.refused("backup", "verify", "../../etc/passwd", code=5)


@pytest.mark.long
def test_a_database_without_the_stamp_is_not_dumped(shop):
    before = published(shop)
    shop.sql("production", "ALTER DATABASE inventory RESET ringfence.environment", database="postgres")
    try:
        shop.refused("backup", "create", code=7)
        shop.sql("production", "ALTER DATABASE inventory SET ringfence.environment = 'test'", database="postgres")
        assert "test" in shop.refused("backup", "create", code=7)
        assert shop.refused("up", code=7)
    finally:
        stamp = "ALTER DATABASE inventory SET ringfence.environment = 'production'"
        shop.sql("production", stamp, database="postgres")
    assert published(shop) == before
    shop.run("backup", "create")
