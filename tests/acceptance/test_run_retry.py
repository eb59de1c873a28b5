"""Agents that fail and may be started again: only where that is safe, with a test database that is in order."""

from __future__ import annotations

import pytest
from tests.acceptance.runs import PRICES, assert_nothing_published, go, resolve, steps

RETRY = 'retries = 2\ninstructions_file = "docs/build.md"\n'


def test_an_agent_that_failed_is_started_again_on_a_new_test_database(shop):
    (shop.root / "docs").mkdir(exist_ok=True)
    (shop.root / "docs" / "build.md").write_text("Only this one: be careful.\n")
    shop.agent(
        "build",
        """cat
        psql -Xqc 'CREATE TABLE left_by_the_first_attempt (id int)'
        psql -Xqc 'DELETE FROM "Transaction"'
        if [ ! -e half.txt ]; then echo half > half.txt; exit 17; fi
        echo whole > whole.txt; echo 'AGENT_RETURN: the second time'""",
    )
    shop.agent("test", "cat")
    shop.configure("build", extra=f'{RETRY}[[workflow.agents]]\nname = "test"\ncommand = ["cat"]\n')
    run = go(shop, "Try again", "--issue", "7")
    done = steps(run)
    assert done[done.index("guard done") + 1 :] == [
        *("agent build failed", "retry build done", "agent build done", "agent test done"),
        *("verify done", "commit done", "push done", "checklist done"),
    ]
    first, second, other = run["agents"]
    assert (first["attempt"], first["exit_code"], second["attempt"], second["outcome"]) == (1, 17, 2, "done")
    assert first["output_file"] != second["output_file"]
    again = (shop.root / second["output_file"]).read_text()
    assert "Only this one: be careful." in again and "You were started before" in again
    assert f"`{first['output_file']}`: failed (it ended with exit status 17)" in again
    prompt = (shop.root / other["output_file"]).read_text()
    assert "Only this one" not in prompt
    assert f"`build`: `{second['output_file']}`; it returned: `the second time`" in prompt
    notes = {step["name"]: step["reasons"] for step in run["steps"]}
    assert any("production is unchanged" in reason for reason in notes["retry build"])
    assert "attempt 2 of 3" in notes["agent build"]
    assert any(reason.startswith("instructions from docs/build.md, SHA-256 ") for reason in notes["agent build"])
    assert shop.files_of(run["commit"]) == {"half.txt", "whole.txt"}
    message = shop.git("log", "-1", "--format=%b", run["commit"])
    assert message.count("build (") == 1


def test_no_second_attempt_where_the_first_changed_production(shop):
    shop.agent("build", f"{shop.production_psql(PRICES)}; touch {shop.scripts}/began-$$; exit 1")
    shop.configure("build", extra="retries = 5\n")
    head = shop.remote_head()
    run = go(shop, "Never after that", code=3)
    assert run["outcome"] == "halt" and len(run["agents"]) == 1
    assert len(list(shop.scripts.glob("began-*"))) == 1
    (retry,) = (step for step in run["steps"] if step["name"] == "retry build")
    assert retry["outcome"] == "skipped" and any('"SKU": 25 rows updated' in reason for reason in retry["reasons"])
    assert_nothing_published(shop, run, head)
    resolve(shop, run)
    for mark in shop.scripts.glob("began-*"):
        mark.unlink()


@pytest.mark.long
def test_no_second_attempt_where_the_first_wiped_the_test_database_or_went_for_the_settings(shop):
    shop.agent("build", "psql -Xqc 'DROP SCHEMA public CASCADE'; exit 1")
    shop.configure("build", extra="retries = 1\n")
    run = go(shop, "Wipe", code=8)
    (retry,) = (step for step in run["steps"] if step["name"] == "retry build")
    assert retry["outcome"] == "failed" and any("has no tables" in reason for reason in retry["reasons"])
    assert len(run["agents"]) == 1
    shop.run("reseed", "--fresh-start")

    shop.agent("build", "echo '# mine' >> ringfence.toml; exit 1")
    run = go(shop, "Settings", code=3)
    (retry,) = (step for step in run["steps"] if step["name"] == "retry build")
    assert retry["outcome"] == "skipped" and len(run["agents"]) == 1
    resolve(shop, run)
