"""``ringfence.toml``: every mistake in one go, and nothing done before they are gone."""

from __future__ import annotations

import pytest

FIVE_MISTAKES = """
project = "inventory"
colour = "red"
[production]
engine = "embeded"
db_port = "4546"
database = "inventory"
[test]
db_port = 99999
database = "inventory"
[backup]
keep = 0
[workflow]
agents = [{ name = "build" }]
[git]
comit = true
"""


def test_every_mistake_is_told_in_one_go(empty):
    empty.config.write_text(FIVE_MISTAKES)
    said = empty.refused("status", code=2)
    for mistake in (
        "colour: unknown key",
        "production.engine: ",
        'production.db_port: wanted a whole number, got the text "4546"',
        "test.db_port: 99999 is not a port",
        "test.database: inventory is also production.database",
        "backup.keep: 0 is too small",
        "workflow.agents[0].command: missing key",
        "git.comit: unknown key (did you mean commit?)",
    ):
        assert f"ringfence.toml: {mistake}" in said, said
    lines = said.partition(" HINT: ")[0].split("\n")
    assert len(lines) == 8 and all(line.startswith("ringfence.toml: ") for line in lines)
    assert str(empty.root) in said
    assert not empty.state.exists() and not empty.backups.exists(), "nothing was done"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ('project = "inventory"\n', "production: missing section"),
        ('project = "inventory"\n[production\n', "line 2"),
        ('project = "inventory"\nproject = "x"\n', "the key project stands there twice"),
        ('project = "../x"\n[production]\n[test]\n', "project"),
        ('project = "x"\n[production]\nurl = "postgresql://a:secret@h/d"\n[test]\n', "password does not belong"),
        ('project = "x"\n[production]\n[test]\n[verify.rules]\nfilm = "ignore"\n', "ignore needs a reason"),
    ],
)
def test_one_mistake(empty, text, said):
    empty.config.write_text(text)
    told = empty.refused("up", code=2)
    assert said in told and "secret" not in told


def test_two_environments_at_one_address_are_refused_for_what_they_would_do(empty):
    empty.config.write_text('project = "x"\n[production]\ndb_port = 4546\n[test]\ndb_port = 4546\n')
    assert "4546 is also production.db_port" in empty.refused("up", code=7)


def test_what_writes_refuses_a_broken_file(empty):
    empty.config.write_text('project = "inventory"\nnonsense = 1\n')
    for words in (("up",), ("backup", "create"), ("reseed", "--fresh-start"), ("verify",), ("run", "x"), ("post",)):
        assert "nonsense: unknown key" in empty.refused(*words, code=2)


def test_the_file_is_found_from_below_and_by_name(empty):
    empty.config.write_text('project = "inventory"\n[production]\n[test]\n')
    below = empty.root / "src" / "deep"
    below.mkdir(parents=True)
    assert empty.run("status", "--json", cwd=below).document["project"] == "inventory"
    other = empty.base / "other" / "shop.toml"
    other.parent.mkdir()
    other.write_text('project = "other"\n[production]\n[test]\n')
    assert empty.json("status", "--config", str(other))["project"] == "other"
    assert "ringfence init" in empty.run("status", "--json", cwd=empty.base, code=2).said
    assert "there.toml" in empty.refused("status", "--config", "there.toml", code=2)


def test_private_places_may_not_lie_in_the_work_tree(empty):
    empty.write_config()
    said = empty.refused("up", code=2, env={"XDG_STATE_HOME": str(empty.root / "state")})
    assert "XDG_STATE_HOME" in said
    assert "HOME" in empty.refused("up", code=2, env={"HOME": "", "XDG_DATA_HOME": ""})
