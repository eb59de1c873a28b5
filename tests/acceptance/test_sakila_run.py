"""The whole workflow over a real database: three agents whose work is pushed, and a fourth that nothing gets past."""

from __future__ import annotations

import datetime as dt
import json

from tests.acceptance.runs import assert_nothing_published, go, steps

GOOD = ("scout-and-plan", "build", "test-and-cleanup")


def test_three_good_agents_and_a_fourth_that_changes_one_film(sakila):
    # Sakila brings a hole of its own, which everybody may call and which builds statements as its owner.
    found = [f for f in sakila.json("roles", "audit", code=3)["findings"] if f["severity"] == "critical"]
    assert {f["object"] for f in found} == {"public.rewards_report(integer,numeric)"}
    sakila.sql("production", "ALTER FUNCTION public.rewards_report(integer, numeric) SECURITY INVOKER")
    sakila.run("roles", "audit", code=1)  # its rules that move payments into partitions
    sakila.run("backup", "create")
    sakila.run("reseed", "--fresh-start")
    seen = sakila.scripts
    sakila.agent(
        "scout-and-plan",
        f"cat > {seen}/prompt; env > {seen}/environment; echo 'plan: a column for subtitles; db is '$DATABASE_URL",
    )
    sakila.agent(
        "build",
        f"""
        cat > {seen}/prompt-build
        psql -X -q -v ON_ERROR_STOP=1 "$DATABASE_URL" -c 'ALTER TABLE film ADD COLUMN subtitles text'
        psql -X -q -v ON_ERROR_STOP=1 -c 'DELETE FROM payment'
        mkdir -p migrations; echo 'ALTER TABLE film ADD COLUMN subtitles text;' > migrations/001.sql
        echo "print('subtitles')" >> app.py; rm obsolete.txt; echo 'theirs' > .backups/planted
        """,
    )
    sakila.agent(
        "test-and-cleanup",
        f"""
        test "$(psql -X -At -c 'SELECT count(*) FROM payment')" = 0
        test "$(psql -X -At -h $PGHOST -c 'SELECT count(subtitles) FROM film')" = 0
        echo tested > report.md; env > {seen}/environment-test
        """,
    )
    sakila.agent(
        "fourth",
        sakila.production_psql("UPDATE film SET rental_rate = rental_rate + 1 WHERE film_id = 1") + "; echo ok",
    )
    (sakila.root / "obsolete.txt").write_text("old\n")
    sakila.configure(*GOOD)
    (sakila.root / "notes.txt").write_text("the user's own, never committed\n")
    before, contents = sakila.remote_head(), sakila.contents("production")

    production = f"postgresql://inventory_admin:{sakila.password('production')}@127.0.0.1:{sakila.ports['production']}"
    caller = {
        "DATABASE_URL": f"{production}/inventory",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(sakila.ports["production"]),
        "PGDATABASE": "inventory",
        "PGUSER": "inventory_admin",
        "PGPASSWORD": sakila.password("production"),
        "PGPASSFILE": str(sakila.pgpass),
        "LC_SNEAKY": f"{production}/inventory",
        "GH_TOKEN": "ghp_secret",
        "AWS_SECRET_ACCESS_KEY": "aws-secret",
    }
    task = "Subtitles for films, https://github.com/acme/shop/issues/7"
    run = go(sakila, task, env=caller)

    assert run["outcome"] == "passed" and run["issue"] == "7" and run["verdict"]["verdict"] == "unchanged"
    assert [s.split(" ")[0] for s in steps(run)] == [
        *(
            "check",
            "roles",
            "instructions",
            "backup",
            "reseed",
            "checklist",
            "sandbox",
            "guard",
            "agent",
            "agent",
            "agent",
        ),
        *("verify", "commit", "push", "checklist"),
    ]
    assert [a["name"] for a in run["agents"]] == list(GOOD)
    assert sakila.contents("production") == contents

    # Committed and pushed is what the agents did in the work tree, and nothing else.
    assert run["pushed"] is True
    assert run["commit"] == sakila.remote_head() == sakila.git("rev-parse", "main") == sakila.git("rev-parse", "@{u}")
    assert sakila.git("rev-list", f"{before}..main").split() == [run["commit"]]
    assert sakila.files_of(run["commit"]) == {"migrations/001.sql", "app.py", "obsolete.txt", "report.md"}
    assert sakila.git("status", "--porcelain") == "?? notes.txt"
    message = sakila.git("log", "-1", "--format=%B%n%an <%ae>")
    assert message.startswith("Subtitles for films") and "(#7)" in message and "build (" in message
    assert f"Run: {run['id']}" in message and run["backup"] in message and "Ada <ada@example.org>" in message

    check_environment(sakila, (seen / "environment").read_text())
    check_environment(sakila, (seen / "environment-test").read_text())
    prompt = (seen / "prompt").read_text()
    assert task in prompt and "test database only" in prompt and "inventory_test" in prompt
    assert sakila.password("test") not in prompt
    assert run["agents"][0]["output_file"] in (seen / "prompt-build").read_text()
    check_records(sakila, run)

    # The fourth agent: one row of production.
    sakila.configure(*GOOD[:1], "fourth")
    head = sakila.remote_head()
    halted = go(sakila, "--issue", "#8", "Prices", code=3)
    assert halted["outcome"] == "halt"
    assert 'table "film": 1 row updated (1,000 rows before and after)' in halted["reasons"]
    assert [a["outcome"] for a in halted["agents"]] == ["done", "done"], "the agent itself said that all was well"
    entry = next(t for t in halted["verdict"]["tables"] if t["verdict"] != "unchanged")
    assert (entry["name"], entry["updated"], entry["inserted"], entry["deleted"]) == ("film", 1, 0, 0)
    assert_nothing_published(sakila, halted, head)
    assert "resolved" in sakila.refused("run", "again", code=4)


def check_environment(project, text):
    """Only the test database has a name in it, whatever the caller's environment said."""
    variables = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    test = f"postgresql://inventory_test:{project.password('test')}@127.0.0.1:{project.ports['test']}/inventory_test"
    assert variables["DATABASE_URL"] == variables["TEST_DATABASE_URL"] == test
    assert variables["TEST_BASE_URL"] == "http://127.0.0.1:2345"
    assert (variables["PGHOST"], variables["PGPORT"]) == ("127.0.0.1", str(project.ports["test"]))
    assert (variables["PGDATABASE"], variables["PGUSER"]) == ("inventory_test", "inventory_test")
    assert variables["PGPASSWORD"] == project.password("test") and variables["PGPASSFILE"] == "/dev/null"
    for secret in (project.password("production"), str(project.ports["production"]), "ghp_secret", "aws-secret"):
        assert secret not in text
    assert not {"GH_TOKEN", "AWS_SECRET_ACCESS_KEY", "LC_SNEAKY"} & variables.keys()


def check_records(project, run):
    """Outputs and times, named as the strategy names them."""
    for agent in run["agents"]:
        started = dt.datetime.fromisoformat(agent["started_at"])
        expected = f".agents/outputs/{agent['name']}-7-{started:%m%d%y}.md"
        assert agent["output_file"] == expected
        text = (project.root / expected).read_text()
        assert f"# {agent['name']}" in text and run["id"] in text and "outcome: done" in text
        assert project.password("test") not in text
    assert (
        "plan: a column for subtitles; db is postgresql://inventory_test:****@"
        in (project.root / run["agents"][0]["output_file"]).read_text()
    )
    timing = json.loads((project.root / ".agents" / "timing" / "issue-7-timing.json").read_text())
    assert timing.keys() == {"schema", "issue", "runs"} and timing["issue"] == "7"
    assert [a["name"] for a in timing["runs"][0]["agents"]] == list(GOOD)
    assert timing["runs"][0]["run"] == run["id"] and timing["runs"][0]["total_seconds"] > 0
