"""Agents that go for the run's own protection: its settings, git's, its baseline, its journal, production's server."""

from __future__ import annotations

import pytest
from tests.acceptance.runs import PRICES, go, resolve
from tests.thin import some


def halts(shop, script: str) -> dict:
    """A run of one agent with this script, which must end as a HALT with nothing published; production is unchanged."""
    shop.agent("build", f"echo new > new.txt\n{script}")
    shop.configure("build")
    head, contents = shop.remote_head(), shop.contents("production")
    (shop.scripts / "ran").unlink(missing_ok=True)
    run = go(shop, "Mischief", code=3)
    assert not (shop.scripts / "ran").exists(), "a program of the agent's was run"
    assert run["outcome"] == "halt" and run["verdict"]["verdict"] == "unknown"
    assert [t["verdict"] for t in run["verdict"]["tables"]] == ["unchanged"] * len(run["verdict"]["tables"])
    assert shop.remote_head() == head and run["commit"] is None and run["pushed"] is False
    assert shop.contents("production") == contents
    return run


def test_an_agent_that_changes_the_settings(shop):
    run = halts(shop, "sed -i 's/keep = 5/keep = 1/' ringfence.toml")
    assert any("ringfence.toml was changed during the run" in reason for reason in run["reasons"])
    shop.git("checkout", "-q", "ringfence.toml")
    resolve(shop, run)


def test_an_agent_that_tells_git_to_run_programs_or_to_push_elsewhere(shop):
    mark, elsewhere = shop.scripts / "ran", shop.base / "elsewhere.git"
    run = halts(
        shop,
        f"""
        mkdir hooks; for name in pre-commit post-commit pre-push reference-transaction; do
            printf '#!/bin/sh\\ntouch {mark}\\n' > hooks/$name; chmod +x hooks/$name; done
        git init -q --bare {elsewhere}
        git config core.hooksPath "$PWD/hooks"; git config core.fsmonitor "$PWD/hooks/pre-push"
        git config remote.origin.pushurl {elsewhere}
        git config filter.x.clean "$PWD/hooks/pre-push"; echo '* filter=x' > .gitattributes
        rm -f {mark}
        """,
    )
    for key in ("core.hookspath", "core.fsmonitor", "remote.origin.pushurl", "filter.x.clean"):
        assert any(f"git setting changed during the run: local {key}" in reason for reason in run["reasons"]), key
    assert shop.git("for-each-ref", cwd=elsewhere) == ""
    for key in ("core.hooksPath", "core.fsmonitor", "remote.origin.pushurl"):
        shop.git("config", "--unset", key)
    shop.git("config", "--remove-section", "filter.x")
    assert shop.git("rev-list", "--count", "@{u}..main") == "0"
    resolve(shop, run)


@pytest.mark.long
def test_an_agent_that_plants_a_hook(shop):
    mark = shop.scripts / "ran"
    hooks = shop.root / ".git" / "hooks"
    run = halts(
        shop,
        f"""for name in pre-commit commit-msg post-commit pre-push post-index-change reference-transaction; do
            printf '#!/bin/sh\\ntouch {mark}\\n' > .git/hooks/$name; chmod +x .git/hooks/$name; done""",
    )
    assert any("hooks/pre-push" in reason for reason in run["reasons"])
    for hook in hooks.iterdir():
        if not hook.name.endswith(".sample"):
            hook.unlink()
    resolve(shop, run)


def test_an_agent_with_a_name_of_its_own_and_commits_of_its_own(shop):
    """Neither is forbidden: what it committed is pushed with the rest, and the person's name is on the run's commit."""
    shop.agent(
        "build",
        """git config user.name Robot; git config user.email robot@example.org
        echo one > one.txt; git add one.txt; git commit -qm 'by the agent'; echo two > two.txt
        : > .gitignore; echo theirs >> notes.txt""",
    )
    shop.configure("build")
    (shop.root / "notes.txt").write_text("the user's own\n")
    before = shop.remote_head()
    run = go(shop, "Commit")
    assert run["pushed"] is True and shop.remote_head() == run["commit"]
    own, of_agent = shop.git("rev-list", f"{before}..main").split()
    assert (shop.files_of(of_agent), shop.files_of(own)) == ({"one.txt"}, {"two.txt", ".gitignore"})
    assert shop.git("log", "-1", "--format=%an") == "Ada"
    kept = shop.git("ls-tree", "-r", "--name-only", "main").splitlines()
    assert not any(name.startswith((".backups", ".agents")) or name == "notes.txt" for name in kept)
    shop.git("config", "--remove-section", "user")
    shop.git("checkout", "-q", before, "--", ".gitignore")
    shop.commit_all("ignore again")


@pytest.mark.parametrize(
    "script", some(["git switch -qc side; git commit -qm x --allow-empty", "git commit -q --amend -m x"], keep=1)
)
def test_an_agent_that_leaves_the_branch_or_rewrites_it(shop, script):
    shop.agent("build", f"echo new > new.txt\n{script}")
    shop.configure("build")
    head = shop.remote_head()
    run = go(shop, "Branch", code=2)
    assert run["outcome"] == "failed" and run["verdict"]["verdict"] == "unchanged"
    assert run["commit"] is None and run["pushed"] is False and shop.remote_head() == head
    shop.git("switch", "-q", "main")
    assert shop.json("status")["in_the_way"] is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("rm -rf .backups", "the baseline cannot be used"),
        pytest.param(
            'for m in .backups/*.manifest.json; do sed -i \'s/"rows": [0-9]*/"rows": 1/\' $m; done',
            "altered",
            marks=pytest.mark.long,
        ),
    ],
)
def test_an_agent_that_goes_for_the_baseline(shop, script, said):
    shop.agent("build", f"{shop.production_psql(PRICES)}\n{script}")
    shop.configure("build")
    run = go(shop, "Baseline", code=3)
    assert run["verdict"]["verdict"] == "unknown" and any(said in reason for reason in run["reasons"])
    resolve(shop, run)
    shop.run("backup", "create")
    assert shop.json("verify")["verdict"] == "unchanged"


@pytest.mark.long
def test_an_agent_that_ends_productions_server(shop):
    shop.agent("build", f"kill -QUIT {shop.server('production')}; sleep 0.5")
    shop.configure("build")
    run = go(shop, "Kill", code=3)
    assert run["verdict"]["verdict"] == "unknown"
    assert any("production could not be read" in reason for reason in run["reasons"])
    shop.run("up")
    resolve(shop, run)


def test_an_agent_that_goes_for_the_journal(shop):
    shop.agent("build", f"echo '{{}}' >> {shop.state}/runs/$RINGFENCE_RUN/journal.jsonl; echo new > new.txt")
    shop.configure("build")
    head = shop.remote_head()
    assert "journal" in shop.refused("run", "Journal", code=3)
    assert shop.remote_head() == head
    status = shop.json("status")
    assert status["halt"] is True and "damaged" in status["in_the_way"]
    assert "damaged" in shop.refused("run", "again", code=4)
    damaged = shop.json("runs")["runs"][0]
    assert damaged["damage"] and damaged["id"] in status["in_the_way"]
    shop.run("resolve", damaged["id"], "--reason", "the test did it")
    shop.agent("build", "true")
    after = go(shop, "After")
    assert after["outcome"] == "passed"
    status = shop.json("status")
    assert (status["halt"], status["last_run"]["id"]) == (False, after["id"]), "the last run is the last one again"
    assert "damaged" in shop.run("runs").said
