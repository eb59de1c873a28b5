"""Agents in the sandbox as a user has it: the run, ``ringfence sandbox``, and what is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from tests.acceptance.project import INVENTORY, RINGFENCE, Project, running_project
from tests.acceptance.runs import go, steps

from ringfence.sandbox import bubblewrap

pytestmark = pytest.mark.skipif(bubblewrap.find() is None, reason="no sandbox: bubblewrap is not installed")

GOOD = """
psql -X -q -v ON_ERROR_STOP=1 "$DATABASE_URL" -c 'DELETE FROM "Transaction"'
python3 -c "
import socket
with socket.create_server(('127.0.0.1', 2345)) as server:
    socket.create_connection(('127.0.0.1', 2345)).close()
"
node -e 'console.log(1 + 1)' 2>/dev/null || true
echo done > result.txt
git add result.txt && git stash -q && git stash pop -q && git log -1 --format=%an
"""


@pytest.fixture(scope="module")
def guarded() -> Iterator[Project]:
    """A project whose agents run in the sandbox, as `init` writes it."""
    with running_project(INVENTORY) as project:
        text = project.config.read_text().replace('mode = "none"', 'mode = "auto"')
        text = text.replace("[sandbox]\n", f'[sandbox]\nallow_read = ["{project.scripts}"]\n')
        (project.base / "ringfence.toml.init").write_text(text)
        project.config.write_text(text)
        project.commit_all("in the sandbox")
        project.run("backup", "create")
        project.run("reseed", "--fresh-start")
        yield project


def test_a_good_agent_hardly_notices(guarded: Project) -> None:
    guarded.agent("build", GOOD)
    guarded.configure("build")
    run = go(guarded, "Work")
    assert run["outcome"] == "passed", run["reasons"]
    assert "sandbox done" in steps(run)
    [note] = next(s["reasons"] for s in run["steps"] if s["name"] == "sandbox")[:1]
    assert note.startswith("bubblewrap with a network of its own") and "attempts denied" in note
    assert guarded.files_of(run["commit"]) == {"result.txt"}


def test_a_bad_agent_gets_nowhere(guarded: Project) -> None:
    before = guarded.contents("production")
    backups = sorted(p.name for p in guarded.backups.iterdir())
    postmaster = guarded.server("production")
    guarded.agent(
        "build",
        f"""set +e
{guarded.production_psql('DROP TABLE "SKU" CASCADE')} && echo BROKE >> broke.txt
cat {guarded.pgpass} && echo BROKE >> broke.txt
kill -9 {postmaster} && echo BROKE >> broke.txt
rm -rf .backups/* {guarded.backups}/* ; mv .backups away
echo x >> ringfence.toml ; rm -f ringfence.toml ; mv .git .git-moved
echo 'exit 0' > .git/hooks/pre-push ; git config core.fsmonitor sh
git push origin HEAD:refs/heads/sneaked && echo BROKE >> broke.txt
psql -X -q -c "COPY (SELECT 1) TO PROGRAM 'cat {guarded.pgpass} > /tmp/x; kill -9 {postmaster}'"
(setsid sh -c "sleep 3; echo late > late.txt" &)
exit 0""",
    )
    guarded.configure("build")
    run = go(guarded, "Break it")
    assert run["outcome"] == "passed" and run["verdict"]["verdict"] == "unchanged"
    assert guarded.contents("production") == before and guarded.server("production") == postmaster
    assert backups == sorted(p.name for p in guarded.backups.iterdir() if p.name in backups)
    assert not (guarded.root / "broke.txt").exists() and not (guarded.root / "late.txt").exists()
    assert run["agents"][0]["processes_ended"] >= 1 and run["agents"][0]["all_ended"] is True
    assert guarded.git("branch", "--list", "sneaked", cwd=guarded.remote) == ""


def test_time_that_is_up_ends_the_sandbox(guarded: Project) -> None:
    guarded.agent("build", "trap 'echo asked; exit 0' TERM\nwhile :; do sleep 0.1; done")
    guarded.configure("build", timeout_minutes=0.03)
    run = go(guarded, "Hang", code=8)
    assert run["agents"][0]["outcome"] == "timed-out" and run["agents"][0]["all_ended"] is True
    assert "asked" in (guarded.root / run["agents"][0]["output_file"]).read_text(), "it was asked politely first"


def test_one_command_for_a_person(guarded: Project) -> None:
    done = guarded.run("sandbox", "--", "sh", "-c", "psql -X -Atc 'SELECT current_database()'; exit 8", code=8)
    assert done.out.startswith("inventory_test\n")
    words = [str(RINGFENCE), "sandbox", "--", "sh", "-c", "kill -9 $$"]
    assert subprocess.run(words, cwd=guarded.root, env=guarded.environment, check=False).returncode == 137
    probed = guarded.json("sandbox", "--probe")
    assert probed["sandbox"]["layer"] == "bwrap-net" and probed["sandbox"]["holds"] is True
    assert sum(not a["control"] for a in probed["sandbox"]["attempts"]) >= 60
    for words in (("sandbox",), ("sandbox", "--probe", "--shell"), ("sandbox", "--layer", "x", "--probe")):
        guarded.refused(*words, code=2)


def test_a_port_of_production_cannot_be_allowed(guarded: Project) -> None:
    ports = f"[sandbox]\nallow_ports = [{guarded.ports['production']}]\n"
    text = guarded.config.read_text().replace("[sandbox]\n", ports)
    guarded.config.write_text(text)
    try:
        assert "agents must not reach it" in guarded.refused("sandbox", "--probe", code=2)
    finally:
        guarded.git("checkout", "-q", "--", "ringfence.toml")


def test_without_any_layer_no_agent_starts(guarded: Project) -> None:
    """The work tree inside what must be hidden cannot be enclosed; the run ends with 7 and production was looked at."""
    guarded.agent("build", "touch ran.txt")
    hidden = f'hide = ["{guarded.base}"]\n'
    text = (guarded.base / "ringfence.toml.init").read_text()
    guarded.configure("build")
    changed = guarded.config.read_text().replace("[sandbox]\n", f"[sandbox]\n{hidden}")
    guarded.config.write_text(changed)
    guarded.commit_all("hidden")
    run = go(guarded, "Work", code=7)
    assert run["agents"] == [] and "must not see" in run["reasons"][0]
    assert not (guarded.root / "ran.txt").exists()
    guarded.config.write_text(text)
    guarded.commit_all("back")
