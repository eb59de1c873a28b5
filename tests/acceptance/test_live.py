"""``live``: a run while the application goes on writing."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from tests.acceptance.runs import go, resolve

APP = "inventory_app"
HONEST = (
    """UPDATE "SKU" SET price = price + 1 WHERE id = 5""",
    """INSERT INTO "Component" (code, notes) SELECT 'L' || count(*), 'made meanwhile' FROM "Component" """,
    """INSERT INTO "Transaction" ("skuId", quantity) VALUES (1, 1)""",
)


@pytest.fixture
def live(shop) -> Iterator[None]:
    """``[verify] live``, with a witness in production; as before afterwards."""
    original = (shop.base / "ringfence.toml.init").read_text()
    text = original.replace("[verify]\n", '[verify]\nlive = true\nlive_clients = ["127.0.0.1"]\n')
    assert text != original
    (shop.base / "ringfence.toml.init").write_text(text)
    try:
        yield
    finally:
        (shop.base / "ringfence.toml.init").write_text(original)
        shop.run("live", "remove")


@contextlib.contextmanager
def traffic(shop) -> Iterator[list[int]]:
    """The application, writing all the time; how many transactions it has committed is in the list."""
    stop, done = threading.Event(), [0]

    def work() -> None:
        with shop.connect("production", role=APP) as connection:
            while not stop.is_set():
                for statement in HONEST:
                    connection.execute(statement.encode())
                    done[0] += 1
                time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def test_a_run_while_the_application_writes(shop, live):
    shop.agent("build", "echo hello > new.txt")
    shop.configure("build")
    assert "zz_ringfence_live" in shop.json("live", "apply", "--dry-run")["statements"][1]
    found = shop.json("live", "check", code=1)["findings"]
    assert {f["rule"] for f in found} == {"live-witness", "live-table"}
    assert "live apply" in shop.run("run", "Live", "--issue", "9", code=3).said

    shop.run("live", "apply")
    assert shop.json("live", "apply")["statements"] == [] and shop.json("live", "check")["findings"] == []
    wanted = shop.json("roles", "apply", "--dry-run")["statements"]
    assert "ringfence_live" not in str(wanted), "the witness is no table of the application's"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.sql("production", "SELECT 1 FROM ringfence_live.witness FOR KEY SHARE", role=APP)

    with traffic(shop) as done:
        run = go(shop, "Live", "--issue", "9")
        assert done[0] > 30
    assert (run["outcome"], run["verdict"]["verdict"]) == ("passed", "allowed")
    said = " ".join(run["verdict"]["reasons"])
    assert "it may insert and update" in said and "it may grow" in said and "by the application" in said
    rules = {t["name"]: t["rule"] for t in run["verdict"]["tables"]}
    assert (rules["SKU"], rules["Transaction"], rules["witness"]) == ("live", "append-only", "exact")

    shop.sql("test", *HONEST[:2])  # the copy has the triggers too, on a server without the application's role

    shop.agent("build", shop.production_psql('UPDATE "SKU" SET price = 0 WHERE id = 7'))
    with traffic(shop):
        run = go(shop, "Live", "--issue", "9", code=3)
    reason = next(r for r in run["verdict"]["reasons"] if r.startswith('table "SKU"'))
    assert "1 updated by transaction" in reason and "role inventory_admin from 127.0.0.1, psql" in reason
    resolve(shop, run)

    told = shop.run("repair").said
    assert "the application may write to it" in told


@pytest.mark.long
def test_what_the_application_wrote_before_it_was_live_is_not_explained(shop, live):
    """A baseline without a witness: rows that differ are unknown, not allowed."""
    shop.configure()
    shop.run("backup", "create")
    shop.run("live", "apply")
    shop.sql("production", HONEST[0], role=APP)
    document = shop.json("verify", code=3)
    assert document["verdict"] == "changed", "the triggers themselves are new"
    assert any("cannot be told" in reason for reason in document["reasons"])


def test_live_is_asked_for(shop):
    shop.configure()
    assert "live is not set" in shop.refused("live", "apply", code=2)
    shop.config.write_text(shop.config.read_text().replace("[verify]\n", '[verify]\nlive_clients = ["local"]\n'))
    assert "it needs live = true" in shop.refused("verify", code=2)
