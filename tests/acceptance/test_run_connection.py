"""Production's server goes away during a run, and two machines that would run at the same time."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from tests.acceptance.project import Project, ends, wait_for
from tests.acceptance.runs import resolve, steps

from ringfence import crashpoint

_HOLDERS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'ringfence run %'"


@pytest.fixture
def waiting_agent(shop: Project) -> Iterator[Project]:
    """The shop with an agent that has begun when ``going-on`` is there, and ends when ``go-on`` is."""
    marks = [shop.scripts / name for name in ("going-on", "go-on")]
    for mark in marks:
        mark.unlink(missing_ok=True)
    shop.agent("build", f"echo x > x.txt; touch {marks[0]}; while [ ! -e {marks[1]} ]; do sleep 0.05; done")
    shop.configure("build")
    yield shop
    for mark in marks:
        mark.unlink(missing_ok=True)


def begin(project: Project):
    child = project.start("run", "Work", "--json")
    wait_for(lambda: (project.scripts / "going-on").exists(), "the agent", timeout_s=60)
    return child


def go_on(project: Project, child) -> int:
    (project.scripts / "go-on").touch()
    return ends(child)


def last_run(project: Project) -> dict:
    return project.json("runs")["runs"][0]


def elsewhere(project: Project) -> dict[str, str]:
    """Another machine: nothing on disk is shared but the work tree, and the state of runs is its own."""
    return {"XDG_STATE_HOME": str(project.base / "machine-2")}


def verify_notes(run: dict) -> str:
    return " ".join(reason for step in run["steps"] if step["name"] == "verify" for reason in step["reasons"])


def test_the_session_with_the_lock_is_ended_by_somebody(waiting_agent: Project) -> None:
    child = begin(waiting_agent)
    ((pid,),) = waiting_agent.sql("production", _HOLDERS)
    waiting_agent.sql("production", f"SELECT pg_terminate_backend({pid}, 5000)")
    assert go_on(waiting_agent, child) == 0
    run = last_run(waiting_agent)
    assert run["verdict"]["verdict"] == "unchanged" and "it was taken again" in verify_notes(run)
    assert waiting_agent.remote_head() == run["commit"]


@pytest.mark.long
def test_the_server_is_restarted_during_a_run(waiting_agent: Project) -> None:
    child = begin(waiting_agent)
    waiting_agent.kill_server("production")
    waiting_agent.run("up", "production")
    assert go_on(waiting_agent, child) == 0
    run = last_run(waiting_agent)
    # A server that crashed skips values of its sequences, which is allowed.
    assert run["verdict"]["verdict"] in ("unchanged", "allowed") and "it was taken again" in verify_notes(run)


def test_a_server_that_does_not_come_back_is_a_halt(waiting_agent: Project) -> None:
    child, head = begin(waiting_agent), waiting_agent.remote_head()
    waiting_agent.kill_server("production")
    try:
        assert go_on(waiting_agent, child) == 3
        run = last_run(waiting_agent)
        assert (run["outcome"], run["verdict"]["verdict"]) == ("halt", "unknown")
        assert waiting_agent.remote_head() == head and run["commit"] is None
    finally:
        waiting_agent.run("up", "production")
    resolve(waiting_agent, run)


@pytest.mark.long
def test_the_connections_are_lost_in_the_middle_of_the_verification(waiting_agent: Project) -> None:
    (waiting_agent.scripts / "go-on").touch()
    head = waiting_agent.remote_head()
    # The transaction that is the agent's makes the verification read rows, and so come to its point.
    waiting_agent.agent("build", f"{waiting_agent.production_psql('SELECT pg_current_xact_id()')}; echo x > x.txt")
    child = waiting_agent.start("run", "Work", env={crashpoint.VARIABLE: "journal.step-started verify.after"})
    wait_for(lambda: stopped(child.pid), "the verification", timeout_s=60)
    waiting_agent.sql(
        "production",
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name ^@ 'ringfence'",
    )
    waiting_agent.kill_server("production")
    child.send_signal(signal.SIGCONT)
    try:
        assert ends(child) == 3
    finally:
        waiting_agent.run("up", "production")
    run = last_run(waiting_agent)
    assert run["outcome"] == "halt" and waiting_agent.remote_head() == head
    resolve(waiting_agent, run)


def stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


@pytest.mark.long
def test_two_machines_cannot_run_at_once(waiting_agent: Project) -> None:
    waiting_agent.run("up", env=elsewhere(waiting_agent))  # it knows these servers
    child = begin(waiting_agent)
    ((pid,),) = waiting_agent.sql("production", _HOLDERS)
    for command in ("run", "pre"):
        said = waiting_agent.refused(command, "second", code=4, env=elsewhere(waiting_agent))
        assert f":{child.pid}, server process {pid}" in said, said
    child.send_signal(signal.SIGKILL)
    ends(child)
    wait_for(lambda: not waiting_agent.sql("production", _HOLDERS), "the end of the dead holder's session")
    # The other machine does not know the run that was killed; what it must know, production tells it.
    second = waiting_agent.json("pre", env=elsewhere(waiting_agent))["run"]
    assert steps(second)[-1] == "checklist done"
    document = waiting_agent.json("post", env=elsewhere(waiting_agent))
    assert document["verdict"] == "unchanged"
    assert waiting_agent.json("post")["verdict"] == "unchanged"


def test_another_machine_that_took_the_lock_meanwhile_is_a_halt(waiting_agent: Project) -> None:
    waiting_agent.run("up", env=elsewhere(waiting_agent))
    child, head = begin(waiting_agent), waiting_agent.remote_head()
    ((pid,),) = waiting_agent.sql("production", _HOLDERS)
    waiting_agent.sql("production", f"SELECT pg_terminate_backend({pid}, 5000)")
    point = {crashpoint.VARIABLE: "journal.paused.before"}
    second = waiting_agent.start("pre", env=elsewhere(waiting_agent) | point)
    wait_for(lambda: stopped(second.pid), "the other machine's run", timeout_s=60)
    assert go_on(waiting_agent, child) == 3
    run = last_run(waiting_agent)
    assert run["verdict"]["verdict"] == "unknown" and "another run holds production" in verify_notes(run)
    assert waiting_agent.remote_head() == head
    second.send_signal(signal.SIGCONT)
    assert ends(second) == 0
    waiting_agent.run("post", env=elsewhere(waiting_agent))
    resolve(waiting_agent, run)
