"""Runs that are killed, runs beside each other, and the two halves ``pre`` and ``post``."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from tests.acceptance.project import Project, ends, wait_for
from tests.acceptance.runs import PRICES, RUN_KEYS, go, resolve, steps
from tests.acceptance.test_backup import locked, waiting
from tests.acceptance.test_verify import VERIFY_KEYS


@pytest.fixture
def with_agent(shop) -> Iterator[Project]:
    """The shop with one agent, which goes on until it is ended; ``going-on`` is there when it has begun."""
    mark = shop.scripts / "going-on"
    mark.unlink(missing_ok=True)
    shop.agent("build", f"echo half > half.txt; setsid sleep 600 & touch {mark}; sleep 600")
    shop.configure("build")
    yield shop
    mark.unlink(missing_ok=True)


def begun(project: Project) -> bool:
    return (project.scripts / "going-on").exists()


def post(project: Project, code: int = 0) -> dict:
    """``ringfence post``: the verdict, and the run that it ended."""
    document = project.json("post", code=code)
    assert document.keys() == VERIFY_KEYS | {"run"} and document["run"].keys() == RUN_KEYS
    return document


def test_a_killed_run_takes_its_agent_with_it_and_is_finished_by_post(with_agent):
    child = with_agent.start("run", "Kill me", "--issue", "7")
    wait_for(lambda: begun(with_agent), "the agent")

    # Nobody else may begin, or take the servers away, for as long as it goes on.
    assert str(child.pid) in with_agent.refused("run", "second", code=4)
    with_agent.refused("pre", code=4)
    with_agent.refused("post", code=4)
    # The test database is the agents' to reset, also while they run.
    assert with_agent.json("reseed")["proven"] is True
    assert "a run is going on" in with_agent.refused("down", code=4)
    # Not even from another home: the lock is on production's server, too.
    other = {"XDG_STATE_HOME": str(with_agent.base / "other-state")}
    assert "another run holds production" in with_agent.refused("run", "third", code=4, env=other)
    status = with_agent.json("status")
    assert str(child.pid) in status["running"] and status["last_run"]["outcome"] is None
    run = status["last_run"]["id"]
    assert run in with_agent.refused("resolve", run, "--reason", "x", code=4)

    child.send_signal(signal.SIGKILL)
    assert ends(child) == -signal.SIGKILL
    wait_for(lambda: not with_agent.agent_processes(), "the end of the agent and all that it started", timeout_s=15)

    status = with_agent.json("status")
    assert status["running"] is None and status["halt"] is False
    assert status["last_run"]["interrupted"] is True and f"run {run} was interrupted" in status["in_the_way"]
    assert "unfinished: run" in with_agent.run("status").said
    for words in (("run", "again"), ("pre",)):
        said = with_agent.refused(*words, code=4)
        assert run in said and "ringfence post" in said

    document = post(with_agent)
    assert document["verdict"] == "unchanged"
    assert (document["run"]["id"], document["run"]["outcome"]) == (run, "failed")
    assert any("interrupted in step agent build" in reason for reason in document["run"]["reasons"])
    assert steps(document["run"])[-3:] == ["agent build interrupted", "verify done", "checklist done"]
    with_agent.refused("post", code=2)
    assert with_agent.json("status")["in_the_way"] is None


@pytest.mark.long
def test_a_killed_run_whose_agent_had_changed_production(with_agent):
    with_agent.agent("build", f"{with_agent.production_psql(PRICES)}; touch {with_agent.scripts}/going-on; sleep 600")
    child = with_agent.start("run", "Kill me")
    wait_for(lambda: begun(with_agent), "the agent")
    child.send_signal(signal.SIGKILL)
    ends(child)
    wait_for(lambda: not with_agent.agent_processes(), "the end of the agent")
    document = post(with_agent, code=3)
    assert document["verdict"] == "changed" and document["run"]["outcome"] == "halt"
    assert any('table "SKU": 25 rows updated' in reason for reason in document["reasons"])
    assert "resolved" in with_agent.refused("run", "again", code=4)
    resolve(with_agent, document["run"])


def test_a_run_that_is_killed_before_it_has_a_baseline(with_agent):
    with locked(with_agent, '"SKU"'):
        child = with_agent.start("run", "Kill me")
        wait_for(lambda: waiting(with_agent), "the backup to wait for the table")
        child.send_signal(signal.SIGKILL)
        ends(child)
    assert "was interrupted in step backup" in with_agent.refused("run", "again", code=4)
    assert "before it had a baseline" in with_agent.refused("post", code=5)
    assert with_agent.json("status")["in_the_way"] is None


def test_an_unfinished_run_may_be_given_up(with_agent):
    child = with_agent.start("run", "Kill me")
    wait_for(lambda: begun(with_agent), "the agent")
    child.send_signal(signal.SIGKILL)
    ends(child)
    run = with_agent.json("resolve", with_agent.json("status")["last_run"]["id"], "--reason", "not needed")["run"]
    assert run["outcome"] == "abandoned", run
    assert run["resolved"]["reason"] == "not needed"
    assert "RUN ABANDONED" in with_agent.run("report").said
    assert with_agent.json("status")["in_the_way"] is None


def test_the_two_halves_for_an_orchestrator_of_ones_own(shop):
    shop.refused("post", code=2)
    run = go(shop, "gh issue #7", command="pre")
    assert (run["issue"], run["paused"], run["outcome"]) == ("7", "post", None)
    done = [f"{name} done" for name in ("check", "roles", "instructions", "guard", "backup", "reseed", "checklist")]
    assert steps(run) == done
    assert run["backup"].startswith("inventory_backup_7_")
    assert "waits for post" in shop.refused("pre", code=4)
    assert "waits for post" in shop.json("status")["in_the_way"]
    shop.sql("test", """DELETE FROM "Transaction" """)  # what agents do
    document = post(shop)
    assert document["verdict"] == "unchanged" and document["baseline"] == run["backup"]
    assert (document["run"]["id"], document["run"]["outcome"], document["run"]["exit_code"]) == (run["id"], "passed", 0)
    shop.refused("post", code=2)

    run = go(shop, command="pre")
    shop.config.write_text(shop.config.read_text() + "\n")
    document = post(shop, code=3)
    assert document["verdict"] == "unknown" and document["run"]["exit_code"] == 3
    assert any("ringfence.toml was changed" in reason for reason in document["reasons"])
    resolve(shop, run)
    assert "halt (resolved)" in shop.run("runs").said
    assert [r["outcome"] for r in shop.json("runs")["runs"][:2]] == ["halt", "passed"]
