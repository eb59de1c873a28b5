"""The demo, and the very first steps on the ports of the strategy."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator

import pytest
from tests.acceptance.project import INVENTORY, Project, new_project, processes_with
from tests.acceptance.runs import RUN_KEYS

SEED_PORTS = {"production": 4546, "test": 2346}


def test_the_demo(empty):
    document = empty.json("demo")
    assert document.keys() == {
        *("schema", "good", "stopped", "bad", "sandbox", "remote", "counts", "seconds", "directory", "pages"),
    }
    assert document["directory"] is None and document["pages"] == []
    good, stopped, bad = document["good"], document["stopped"], document["bad"]
    if stopped is None:
        pytest.skip(f"no sandbox: {document['sandbox']}")
    assert (stopped["outcome"], stopped["exit_code"], stopped["pushed"]) == ("failed", 8, False)
    assert stopped["verdict"]["verdict"] == "unchanged" and stopped["commit"] is None
    assert [a["processes_ended"] for a in stopped["agents"]][1] >= 1, "what was to write later"
    assert good.keys() == bad.keys() == RUN_KEYS
    assert (good["outcome"], good["exit_code"], good["pushed"]) == ("passed", 0, True)
    assert (bad["outcome"], bad["exit_code"], bad["pushed"]) == ("halt", 3, False)
    assert good["commit"] == document["remote"]["after_good"] == document["remote"]["after_bad"]
    assert document["counts"]["before"] == document["counts"]["after"], "a count sees nothing"
    assert list((empty.base / "tmp").iterdir()) == [], "everything is gone"
    assert processes_with(str(empty.base / "tmp")) == []


@pytest.fixture
def alone() -> Iterator[Project]:
    """A project on the ports as `init` writes them: one test at a time, and only where they are free."""
    with INVENTORY.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.skip("another session is testing on the ports 4546 and 2346")
        for port in SEED_PORTS.values():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    pytest.skip(f"port {port} is in use on this machine")
        with new_project() as project:
            project.ports = dict(SEED_PORTS)
            yield project


def test_what_init_writes_works_at_once(alone):
    alone.run("init")
    said = alone.run("up").said
    assert "-p 4546 -U inventory_app inventory" in said and "-p 2346 -U inventory_test inventory_test" in said
    alone.sql("production", 'CREATE TABLE "Component" (id int)', 'INSERT INTO "Component" VALUES (1)')
    assert '"Component" 1' in alone.run("backup", "create").said
    alone.run("reseed", "--fresh-start")
    assert alone.sql("test", 'SELECT count(*) FROM "Component"') == [(1,)]
    assert "PRODUCTION UNCHANGED" in alone.run("verify").said
    addresses = {e["environment"]: (e["host"], e["port"]) for e in alone.json("status")["environments"]}
    assert addresses == {"production": ("127.0.0.1", 4546), "test": ("127.0.0.1", 2346)}
    alone.run("down")
