"""The crash matrix over the whole run: SIGKILL before and after every event of the journal, then the next command.

The moments are those of `Journal`: before an event is written, when it is on disk and not yet promised, and when it is
promised. Between two of them lies a step (backup, reseed, an agent, …), whose own points are in `test_crash_matrix`.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.conftest import _programs, _the_shop, pytest_runtest_makereport, shop
from tests.acceptance.project import Project, ends, wait_for
from tests.acceptance.runs import PRICES, go

from ringfence import crashpoint

__all__ = ["_programs", "_the_shop", "pytest_runtest_makereport", "shop"]
pytestmark = [pytest.mark.acceptance, pytest.mark.postgres]

REFUSAL = json.dumps({"agent": "claude", "what": "psql", "reason": "as a hook would say it"})
BEFORE = ("check", "roles", "instructions", "backup", "reseed", "checklist", "sandbox", "guard")
AGENTS = ("agent one", "agent two")


def around(*names: str, kinds: tuple[str, ...] = ("before", "after")) -> list[str]:
    """The moments around both events of each step."""
    return [f"step-{event} {name}.{kind}" for name in names for event in ("started", "ended") for kind in kinds]


def at(*events: str, kinds: tuple[str, ...] = ("before", "written", "after")) -> list[str]:
    return [f"{event}.{kind}" for event in events for kind in kinds]


HONEST = [
    *at("start"),
    "created",
    *around(*BEFORE, *AGENTS),
    *at("backup", "agent one", "agent two", "verdict", "published"),
    *around("verify", "commit", "push"),
    *at("ended"),
]
"""A run whose agents do their work, killed: it is finished by `post`, or a new one starts."""
HARMFUL = [
    *at("refused", "agent one", "agent two", "verdict", "changed-rows"),
    *at("step-ended agent one"),
    *around("agent two", "verify"),
    *at("ended"),
]
"""Agent one has changed production: whatever was killed, the next command says so."""
RETRY = [*around("retry two")]
"""Agent two fails the first time, and is started again."""
PRE = [*around("guard", "backup", "reseed", "checklist"), *at("start", "backup", "paused")]
POST = [*at("resumed"), *around("verify"), *at("verdict", "ended")]
RESOLVE = [*at("ended"), *at("resolved")]
CASES = [
    (story, point)
    for story, points in (
        *(("honest", HONEST), ("harmful", HARMFUL), ("retry", RETRY)),
        *(("pre", PRE), ("post", POST), ("resolve", RESOLVE)),
    )
    for point in points
]
QUICK = {
    ("honest", "published.written"),
    ("harmful", "agent one.before"),
    ("post", "verdict.after"),
}
"""What the default suite runs; `make test-long` runs all."""


def parameters() -> Iterator[object]:
    for case in CASES:
        yield pytest.param(*case, marks=() if case in QUICK else (pytest.mark.long,), id=" ".join(case))


def test_every_event_of_a_run_is_in_the_matrix(shop: Project) -> None:
    assert len(CASES) >= 40 and len(set(CASES)) == len(CASES)
    configure(shop, "honest")
    run = go(shop, "A run to its end")
    assert shop.remote_head() == run["commit"]
    happened = {moment_of(json.loads(line)) for line in journal(shop, run["id"]).splitlines()}
    named = {point.rpartition(".")[0] for story, point in CASES if story == "honest"}
    assert happened <= named, happened - named


@pytest.mark.parametrize(("story", "point"), list(parameters()))
def test_killed_at(shop: Project, story: str, point: str) -> None:
    configure(shop, story)
    head = shop.remote_head()
    words = prepare(shop, story)
    before = shop.json("status")["last_run"]
    kill_at(shop, words, point)
    shown = shop.json("status")
    newest = shown["last_run"]
    if story not in ("post", "resolve") and newest == before:
        # The run never was: its directory appears with its first event, or not at all.
        assert point.startswith("start.") and shown["in_the_way"] is None
        assert shop.remote_head() == head
        return
    assert shown["running"] is None
    may_be_pushed = newest["verdict"] is not None and newest["verdict"]["verdict"] == "unchanged"
    assert shop.remote_head() == head or may_be_pushed, "what was not verified was pushed"
    if newest["outcome"] is None:
        assert newest["id"] in shown["in_the_way"], "an unfinished run is never forgotten"
        assert newest["id"] in shop.refused("run", "again", code=4)
        shop.refused("status", "--require-clear", code=4)  # what the pre-push hook asks
    if story == "resolve":
        resolved(shop, newest)
    else:
        finished(shop, story, point, newest)
    assert shop.json("status")["in_the_way"] is None


# --- one case, step by step -------------------------------------------------------------------------------------------


def configure(shop: Project, story: str) -> None:
    harm = f"echo '{REFUSAL}' >> .agents/outputs/guard-refusals.jsonl; {shop.production_psql(PRICES)}; "
    shop.agent("one", (harm if story == "harmful" else "") + "echo one > one.txt; echo did it")
    fails_once = "if [ ! -e half.txt ]; then touch half.txt; exit 1; fi; " if story == "retry" else ""
    shop.agent("two", f"{fails_once}echo two > two.txt")
    shop.configure("one", "two", extra="retries = 1\n" if story == "retry" else "")


def prepare(shop: Project, story: str) -> list[str]:
    """What comes before the command that is killed; its words."""
    if story in ("honest", "harmful", "retry"):
        return ["run", "Work"]
    if story == "pre":
        return ["pre"]
    run = go(shop, command="pre")
    if story == "post":
        shop.sql("production", PRICES)
        return ["post"]
    return ["resolve", run["id"], "--reason", "looked at"]


def kill_at(shop: Project, words: list[str], point: str) -> None:
    """Start the command, wait until it stops itself at the point, and kill it."""
    command = shop.start(*words, env={crashpoint.VARIABLE: f"journal.{point}"})

    def is_stopped() -> bool:
        said = (shop.base / "started.log").read_text()
        assert command.poll() is None, f"it ended with {command.returncode} and never came to {point}: {said}"
        return Path(f"/proc/{command.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    wait_for(is_stopped, point, timeout_s=60)
    command.send_signal(signal.SIGKILL)
    assert ends(command) == -signal.SIGKILL


def finished(shop: Project, story: str, point: str, newest: dict) -> None:
    """`post` finishes what was killed; what an agent did to production is found, whenever it was killed."""
    changed = story == "post" or story == "harmful"
    if newest["outcome"] is not None:
        assert point.startswith("ended.")
        assert newest["outcome"] == ("halt" if changed else "passed")
        ended = newest
    elif newest["backup"] is None:
        assert "before it had a baseline" in shop.refused("post", code=5)
        assert not newest["agents"] and not any(s["name"].startswith("agent") for s in newest["steps"])
        return
    else:
        document = shop.json("post", code=3 if changed else 0)
        assert document["verdict"] == ("changed" if changed else "unchanged")
        ended = document["run"]
    if changed:
        assert ended["outcome"] == "halt" and any('"SKU": 25 rows updated' in r for r in ended["reasons"]), ended
        assert "HALT" in shop.refused("run", "again", code=4)
        shop.run("resolve", ended["id"], "--reason", "put back by the test")
        return
    honest(shop, story, ended)


def honest(shop: Project, story: str, ended: dict) -> None:
    """What is said of the commit is true."""
    if story == "pre" or ended["outcome"] == "passed":
        return
    head = shop.git("rev-parse", "HEAD")
    (reason,) = ended["reasons"]
    if (shop.root / "one.txt").exists() and shop.git("ls-files", "one.txt"):
        assert head[:12] in reason, reason
    else:
        assert "nothing was committed" in reason, reason
    if "it was not pushed" in reason:
        assert shop.remote_head() != head


def resolved(shop: Project, newest: dict) -> None:
    """A resolution that was killed was given, or can be given again."""
    if newest["resolved"] is None:
        assert newest["id"] in shop.json("status")["in_the_way"]
        newest = shop.json("resolve", newest["id"], "--reason", "again")["run"]
    assert newest["outcome"] == "abandoned" and newest["resolved"]["reason"] in ("looked at", "again")


def journal(shop: Project, run: str) -> str:
    return (shop.state / "runs" / run / "journal.jsonl").read_text()


def moment_of(event: dict) -> str:
    name = event["data"].get("name")
    return f"{event['kind']} {name}" if isinstance(name, str) else event["kind"]
