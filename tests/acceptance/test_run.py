"""``run``: how it ends for agents that work, fail, hang or talk too much, and what keeps it from starting."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from pathlib import Path

import pytest
from tests.acceptance.project import RINGFENCE, ends, wait_for
from tests.acceptance.runs import PRICES, assert_nothing_published, go, steps
from tests.thin import some

GUARD = RINGFENCE.with_name("ringfence-guard")
ASKED = json.dumps({"tool_name": "Bash", "tool_input": {"command": "psql -p 4546 inventory"}})


def test_a_halt_latches_until_a_person_resolves_it(shop):
    asked = f"printf %s '{ASKED}' | {GUARD} --agent claude --project inventory; echo"
    shop.agent("build", f"{asked}; {shop.production_psql(PRICES)}; echo 'production was not touched' | tee new.txt")
    shop.configure("build")
    head = shop.remote_head()
    done = shop.run("run", "Prices", "--issue", "7", code=3)
    assert "production was not touched" in done.out, "what agents print is shown"
    assert 'table "SKU": 25 rows updated (100 rows before and after)' in done.said
    assert "Nothing was committed or pushed" in done.said and "ringfence resolve" in done.said
    assert shop.git("rev-parse", "main") == shop.remote_head() == head
    assert (shop.root / "new.txt").exists(), "the agents' files stay for the investigation"

    status = shop.json("status")
    assert status["halt"] is True and status["last_run"]["outcome"] == "halt"
    run = status["last_run"]["id"]
    assert run in status["in_the_way"]
    told = shop.run("status")
    assert "HALT: run" in told.said and f"ringfence resolve {run}" in told.said
    for words in (("run", "again"), ("status", "--require-clear")):
        assert run in shop.refused(*words, code=4)
    assert "no run is unfinished" in shop.refused("post", code=2)
    assert "SKU" in shop.run("report").said
    told = shop.json("report", run)
    page = Path(told["page"]).read_text()
    assert "HALT: production changed" in page and "25 rows updated" in page and "production was not touched" in page
    assert not any(password in page for password in shop.passwords())
    (table,), more = told["run"]["changed_rows"]["tables"], told["run"]["changed_rows"]["more_tables"]
    assert (table["name"], table["key"], table["updated"], len(table["rows"]), table["more"], more) == (
        *("SKU", ["id"], 25, 20, 5, 0),
    )
    row = table["rows"][0]
    old = dict(shop.sql("test", 'SELECT id, price::text FROM "SKU"'))[row["key"]["id"]]
    assert row["change"] == "update" and row["before"] == {"price": old} and row["after"].keys() == {"price"}
    assert f"{old}</del>" in page and "and 5 more" in page
    (refused,) = told["run"]["refused"]
    assert (refused["by"], refused["agent"], refused["times"]) == ("guard", "build", 1)
    assert refused["what"] == "psql -p 4546 inventory" and refused["what"] in page and refused["reason"]
    listed = shop.json("runs")
    assert f'href="{run}/report.html"' in Path(listed["page"]).read_text()
    assert told["run"] == status["last_run"] == listed["runs"][0]

    assert "a reason is needed" in shop.refused("resolve", run, "--reason", "  ", code=2)
    assert "there is no run" in shop.refused("resolve", "20200101T000000Z-abcdef", "--reason", "x", code=2)
    resolved = shop.json("resolve", run, "--reason", "prices put right by hand")["run"]["resolved"]
    assert resolved.keys() == {"by", "at", "reason"} and resolved["reason"] == "prices put right by hand"
    assert "needs no resolution" in shop.refused("resolve", run, "--reason", "again", code=2)
    status = shop.json("status")
    assert status["halt"] is False and status["in_the_way"] is None
    shop.run("status", "--require-clear")


def test_a_failing_agent_still_leads_to_verification(shop):
    shop.agent("scout", "echo scouted > plan.txt")
    shop.agent("build", "echo half > half.txt; echo 'it broke' >&2; exit 17")
    shop.agent("test", f"touch {shop.scripts}/must-not-run")
    shop.configure("scout", "build", "test")
    head = shop.remote_head()
    run = go(shop, "Fail", "--issue", "8", code=8)
    assert steps(run) == [
        "check done",
        "roles done",
        "instructions done",
        "backup done",
        "reseed done",
        "checklist done",
        "sandbox skipped",
        "guard done",
        "agent scout done",
        "agent build failed",
        "verify done",
    ]
    assert [(a["outcome"], a["exit_code"]) for a in run["agents"]] == [("done", 0), ("failed", 17)]
    assert any("agent build: failed" in reason for reason in run["reasons"])
    assert run["verdict"]["verdict"] == "unchanged"
    assert not (shop.scripts / "must-not-run").exists()
    assert_nothing_published(shop, run, head)
    output = (shop.root / run["agents"][1]["output_file"]).read_text()
    assert "it broke" in output and "outcome: failed" in output
    assert shop.json("status")["in_the_way"] is None, "a failed agent is no HALT"


def test_an_agent_that_does_not_end_is_ended_with_all_that_it_started(shop):
    shop.agent(
        "build",
        f"""
        setsid sh -c 'trap "" TERM INT HUP; while :; do sleep 1; done' &
        nohup sh -c 'sleep 600' >/dev/null 2>&1 &
        touch {shop.scripts}/started; sleep 600
        """,
    )
    shop.configure("build", timeout_minutes=0.02)
    head = shop.remote_head()
    run = go(shop, "Hang", code=8)
    agent = run["agents"][0]
    assert agent["outcome"] == "timed-out" and agent["all_ended"] is True and agent["processes_ended"] >= 1
    assert (shop.scripts / "started").exists()
    assert_nothing_published(shop, run, head)


@pytest.mark.long
def test_an_agent_that_leaves_a_process_behind(shop):
    shop.agent("build", "echo done > done.txt; setsid sh -c 'sleep 600; echo late > late.txt' >/dev/null 2>&1 &")
    shop.configure("build")
    run = go(shop, "Leave")
    assert run["agents"][0]["processes_ended"] >= 1
    assert shop.files_of(run["commit"]) == {"done.txt"}


@pytest.mark.long
def test_an_agent_that_is_no_program(shop):
    shop.configure("build", extra='[[workflow.agents]]\nname = "nobody"\ncommand = ["no-such-program-anywhere"]\n')
    shop.agent("build", "true")
    run = go(shop, "Nobody", code=8)
    assert [a["outcome"] for a in run["agents"]] == ["done", "not-started"]
    assert any("no-such-program-anywhere" in reason for reason in run["agents"][1]["reasons"])


@pytest.mark.long
def test_an_agent_that_prints_fifty_megabytes_and_escape_codes(shop):
    shop.agent(
        "build",
        r"""printf '\033]0;title\007\033[31mred\033[0m VERIFY OK\r\n'
        yes 'the quick brown fox jumps over the lazy dog' | head -c 50000000; echo; echo the end""",
    )
    shop.configure("build")
    run = go(shop, "Talk", "--no-push")
    agent = run["agents"][0]
    assert agent["outcome"] == "done" and agent["truncated"] is True and agent["output_bytes"] > 50_000_000
    output = shop.root / agent["output_file"]
    assert 19_000_000 < output.stat().st_size < 21_000_000
    text = output.read_text()
    assert "red VERIFY OK" in text and "\x1b" not in text and "left out" in text[-400:]


def test_what_a_failed_run_left_is_the_persons_in_the_next_one(shop):
    shop.agent("build", "echo half > half.txt; exit 1")
    shop.configure("build")
    go(shop, "Half", code=8)
    shop.agent("build", "echo whole > half.txt; echo more > more.txt")
    run = go(shop, "Whole")
    assert shop.files_of(run["commit"]) == {"more.txt"}
    commit = next(step for step in run["steps"] if step["name"] == "commit")
    assert any("not committed: half.txt (it was there before the run" in reason for reason in commit["reasons"])


@pytest.mark.parametrize("way", some(["| head -n 1", ">/dev/full", "2>&1 | cat"], keep=1))
def test_nobody_has_to_be_able_to_read_what_is_printed(shop, way):
    """A reader that goes away, a full disk, a terminal without the characters: the run is verified and ends as ever."""
    shop.agent("build", "for n in 1 2 3; do echo 'gr\303\274n \342\234\223 ok'; sleep 0.1; done; echo x > new.txt")
    shop.configure("build")
    environment = {**shop.environment, "PYTHONIOENCODING": "latin-1"}
    line = f"{{ {RINGFENCE} run Print {way}; }}"
    subprocess.run(["sh", "-c", line], cwd=shop.root, env=environment, capture_output=True, check=False, timeout=120)
    run = shop.json("report")["run"]
    assert (run["outcome"], run["exit_code"]) == ("passed", 0), run["reasons"]
    assert run["text"] == "Print" and run["pushed"] is True and run["commit"] == shop.remote_head()
    shop.git("revert", "--no-edit", "HEAD")
    shop.git("push", "-q")


def test_agents_that_change_nothing(shop):
    shop.agent("build", "echo nothing to do")
    shop.configure("build")
    head = shop.remote_head()
    run = go(shop, "Nothing")
    assert run["outcome"] == "passed" and run["verdict"]["verdict"] == "unchanged"
    assert "commit skipped" in steps(run)
    assert_nothing_published(shop, run, head)


def test_without_push_and_with_a_dirty_tree(shop):
    shop.agent("build", "echo mine >> app.py; echo new > new.txt")
    shop.configure("build")
    (shop.root / "app.py").write_text("print('not committed')\n")
    head = shop.remote_head()
    assert "tracked files differ from the last commit: app.py" in shop.refused("run", "x", code=2)
    run = go(shop, "Commit only", "--no-push", "--allow-dirty")
    assert run["pushed"] is False and run["commit"] == shop.git("rev-parse", "main")
    assert shop.remote_head() == head
    assert shop.files_of(run["commit"]) == {"app.py", "new.txt"}


def test_a_push_that_is_refused_keeps_the_commit(shop):
    shop.agent("build", "echo new > new.txt")
    shop.configure("build")
    hook = shop.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'branch is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    head = shop.remote_head()
    try:
        run = go(shop, "Refused", code=2)
    finally:
        hook.unlink()
    assert run["outcome"] == "failed" and any("branch is protected" in r for r in run["reasons"])
    assert run["commit"] == shop.git("rev-parse", "main") and run["pushed"] is False
    assert shop.remote_head() == head
    assert shop.json("status")["in_the_way"] is None


def test_what_keeps_a_run_from_starting(shop):
    before = [b["id"] for b in shop.json("backup", "list")["backups"]]
    assert "no agents are configured" in shop.refused("run", "x", code=2)
    shop.agent("build", f"touch {shop.scripts}/must-not-run")
    shop.configure("build")

    shop.git("switch", "-q", "--detach")
    assert "HEAD is detached" in shop.refused("run", "x", code=2)
    shop.git("switch", "-q", "main")

    shop.git("remote", "rename", "origin", "elsewhere")
    shop.git("remote", "remove", "elsewhere")
    said = shop.refused("run", "x", code=2)
    assert "no remote" in said and "--no-push" in said
    shop.git("remote", "add", "origin", str(shop.remote))
    shop.git("fetch", "-q")
    shop.git("branch", "-q", "-u", "origin/main")

    (shop.root / ".git").rename(shop.base / "dot-git")
    assert "no git repository" in shop.refused("run", "x", code=2)
    (shop.base / "dot-git").rename(shop.root / ".git")

    for words in (("#7", "and", "#8"), ("--issue", "a/b", "x")):
        shop.refused("run", *words, code=2)
    assert [b["id"] for b in shop.json("backup", "list")["backups"]] == before, "nothing was begun"
    assert not (shop.scripts / "must-not-run").exists()


def test_an_empty_test_database_stops_a_run(shop):
    shop.agent("build", f"touch {shop.scripts}/must-not-run")
    shop.configure("build")
    shop.sql("test", "DROP SCHEMA public CASCADE")
    assert "CATASTROPHIC FAILURE" in shop.refused("run", "x", "--issue", "9", code=99)
    assert not (shop.scripts / "must-not-run").exists()
    last = shop.json("report")["run"]
    assert (last["outcome"], last["exit_code"], last["agents"]) == ("failed", 99, [])
    assert shop.json("status")["in_the_way"] is None
    (shop.scripts / "build.sh").write_text("true\n")
    go(shop, "x", "--fresh-start")


@pytest.mark.parametrize("quick", some([True, False], keep=1))
def test_where_the_issue_comes_from(empty, quick):
    """On a project whose servers do not run: a run is on record before anything is done."""
    empty.write_config()
    empty.make_repository()
    empty.configure("build")
    tasks = {
        ("--issue", "7", "x"): "7",
        ("Fix", "#7"): "7",
        ("gh issue #7",): "7",
        ("https://github.com/acme/shop/issues/41#issuecomment-5",): "41",
        ("only a colour: #777777",): None,
        ("Fix #7", "--issue", "8"): "8",
    }
    tried = list(tasks)[:2] if quick else list(tasks)
    for words in tried:
        empty.refused("run", *words, code=5)
    document = empty.json("runs")
    assert document.keys() == {"schema", "runs", "page"}
    assert [run["issue"] for run in reversed(document["runs"])] == [tasks[words] for words in tried]
    assert all((run["outcome"], run["agents"]) == ("failed", []) for run in document["runs"])


def test_ctrl_c_ends_the_agent_and_still_verifies(shop):
    shop.agent("build", f"touch {shop.scripts}/going-on; sleep 600")
    shop.configure("build")
    child = shop.start("run", "Interrupt")
    wait_for(lambda: (shop.scripts / "going-on").exists(), "the agent")
    child.send_signal(signal.SIGINT)
    assert ends(child) == 130
    assert shop.agent_processes() == {}
    run = shop.json("report")["run"]
    assert (run["outcome"], run["exit_code"]) == ("failed", 130)
    assert run["verdict"]["verdict"] == "unchanged" and "verify done" in steps(run)
    assert shop.json("status")["in_the_way"] is None
    with contextlib.suppress(FileNotFoundError):
        (shop.scripts / "going-on").unlink()


@pytest.mark.long
def test_what_an_agent_returns_is_what_the_next_one_gets(shop):
    shop.agent("one", "cat >/dev/null; echo 'AGENT_RETURN: draft'; echo '**AGENT_RETURN: see plan.md**'; echo bye")
    shop.agent("two", "cat")
    shop.configure("one", "two")
    run = go(shop, "Hand over")
    assert run["agents"][0]["returned"] == "see plan.md"
    prompt = (shop.root / run["agents"][1]["output_file"]).read_text()
    assert f"- `one`: `{run['agents'][0]['output_file']}`; it returned: `see plan.md`" in prompt
    assert "Hand over" in prompt
