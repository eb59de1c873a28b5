"""Finding and reading `ringfence.toml`; every mistake in one go (F85)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ringfence.config.load import find, is_unchanged, load, parse
from ringfence.config.model import Settings
from ringfence.config.names import TableName
from ringfence.config.values import TableRule
from ringfence.errors import ConfigError, IdentityError

MINIMAL = 'project = "inventory"\n[production]\n[test]\n'

DESIGN = """\
project = "inventory"

[production]
engine = "embedded"            # embedded | docker | server
web_port = 4545
db_port = 4546
database = "inventory"
admin_role = "inventory_admin"
app_role = "inventory_app"

[test]
web_port = 2345
db_port = 2346
database = "inventory_test"
role = "inventory_test"

[backup]
directory = ".backups"
keep = 5

[verify]
watch = ['"Component"', '"SKU"', '"Transaction"']
[verify.rules]
'"Transaction"' = "append-only"

[workflow]
name = "orchestrate3"
[[workflow.agents]]
name = "scout-and-plan"
command = ["claude", "-p", "--agent", "scout-and-plan"]
timeout_minutes = 60

[git]
commit = true
push = true
"""


def read(text: str | bytes, name: str = "/nowhere/ringfence.toml") -> Settings:
    return parse(text.encode() if isinstance(text, str) else text, Path(name))


def mistakes(text: str | bytes) -> list[str]:
    """What is wrong with a file. Where all of it misleads it is a question of identity (7)."""
    with pytest.raises((ConfigError, IdentityError)) as caught:
        read(text)
    lines = str(caught.value).split("\n")
    assert all(line.startswith("ringfence.toml: ") for line in lines)
    return [line.removeprefix("ringfence.toml: ") for line in lines]


def with_section(section: str, *lines: str) -> str:
    """The minimal file with lines in one section."""
    text = MINIMAL if f"[{section}]\n" in MINIMAL else f"{MINIMAL}[{section}]\n"
    return text.replace(f"[{section}]\n", f"[{section}]\n" + "".join(f"{line}\n" for line in lines))


# ── what is right ──


def test_the_example_of_the_design_is_the_default_with_an_agent() -> None:
    full, minimal = read(DESIGN), read(MINIMAL)
    assert full.production == minimal.production
    assert full.test == minimal.test
    assert full.backup == minimal.backup
    assert full.git == minimal.git
    assert full.verify.watch == minimal.verify.watch
    assert full.workflow.name == minimal.workflow.name == "orchestrate3"
    agent = full.workflow.agents[0]
    assert (agent.name, agent.command[0], agent.timeout_s) == ("scout-and-plan", "claude", 3600)


def test_the_defaults_are_the_seeds_numbers() -> None:
    s = read(MINIMAL)
    assert (s.production.web_port, s.production.db_port) == (4545, 4546)
    assert (s.test.web_port, s.test.db_port) == (2345, 2346)
    assert (s.production.database, s.production.app_role, s.production.admin_role) == (
        "inventory",
        "inventory_app",
        "inventory_admin",
    )
    assert (s.test.database, s.test.role) == ("inventory_test", "inventory_test")
    assert (s.backup.directory, s.backup.keep, s.git.commit, s.git.push) == (".backups", 5, True, True)
    assert [str(t) for t in s.verify.watch] == ['"Component"', '"SKU"', '"Transaction"']
    assert s.workflow.agents == ()


def test_no_rule_is_looser_than_exact_unless_the_file_says_so() -> None:
    assert read(MINIMAL).verify.rules == {}


def test_another_project_has_names_of_its_own_and_no_tables_of_the_seed() -> None:
    s = read('project = "my-shop"\n[production]\n[test]\n')
    assert (s.production.database, s.test.database, s.test.role) == ("my_shop", "my_shop_test", "my_shop_test")
    assert s.verify.watch == ()


def test_rules_in_every_form() -> None:
    s = read(
        with_section(
            "verify.rules",
            '\'"Transaction"\' = "append-only"',
            'film = "exact"',
            '\'public."Log"\' = { rule = "ignore", reason = "a cache" }',
            'audit = "ignore: rotated at night: by cron"',
            'x = { rule = "append-only", reason = "events" }',
        )
    )
    assert s.verify.rules[TableName(schema="public", name="Log")] == TableRule(kind="ignore", reason="a cache")
    assert s.verify.rule_for("any", "Transaction").kind == "append-only"
    assert s.verify.rule_for("any", "audit").reason == "rotated at night: by cron"
    assert s.verify.rule_for("public", "Log").kind == "ignore"
    assert s.verify.rule_for("other", "Log").kind == "exact"
    assert s.verify.rule_for("a", "x") == TableRule(kind="append-only", reason="events")
    assert s.verify.rule_for("a", "transaction").kind == "exact"


def test_a_rule_with_a_schema_goes_before_one_without() -> None:
    s = read(with_section("verify.rules", 'film = "append-only"', "'old.film' = \"exact\""))
    assert s.verify.rule_for("old", "film").kind == "exact"
    assert s.verify.rule_for("new", "film").kind == "append-only"


def test_watched_tables_are_recognised_in_any_schema_or_in_one() -> None:
    s = read(with_section("verify", "watch = ['film', 'old.\"Actor\"']"))
    assert s.verify.is_watched("any", "film")
    assert s.verify.is_watched("old", "Actor")
    assert not s.verify.is_watched("new", "Actor")


def test_no_commit_is_no_push() -> None:
    assert read(with_section("git", "commit = false")).git.push is False


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    assert read(b"\xef\xbb\xbf" + DESIGN.replace("\n", "\r\n").encode()).project == "inventory"


SERVER = 'engine = "server"\nurl = '


@pytest.mark.parametrize("value", ["60", "0.5", "1e3"])
def test_time_limits_may_be_fractions(value: str) -> None:
    agent = ["[[workflow.agents]]", 'name = "a"', 'command = ["x", ""]', f"timeout_minutes = {value}"]
    assert read(MINIMAL + "\n".join(agent)).workflow.agents[0].timeout_minutes == float(value)


@pytest.mark.parametrize(
    ("directory", "where"), [("b", "/nowhere/b"), ("a/b/", "/nowhere/a/b"), ("./b", "/nowhere/b"), ("/var/b", "/var/b")]
)
def test_backup_directories(directory: str, where: str) -> None:
    assert read(with_section("backup", f'directory = "{directory}"')).backup_directory == Path(where)


# ── what is wrong ──


@pytest.mark.parametrize(
    ("section", "line", "said"),
    [
        ("production", "db_prot = 1", "production.db_prot: unknown key (did you mean db_port?)"),
        ("production", "DB_PORT = 1", "production.DB_PORT: unknown key (did you mean db_port?)"),
        ("production", "keep = 1", "production.keep: unknown key here (it belongs in [backup])"),
        ("production", "role = 'x'", "production.role: unknown key (did you mean app_role?)"),
        ("backup", "zzz = 1", "backup.zzz: unknown key (known here: directory, format, jobs, compression, keep"),
        ("backup", 'format = "tar"', 'backup.format: wanted "custom" or "directory", got the text "tar"'),
        ("backup", "jobs = 0", "backup.jobs: 0 is not a number of sessions; 1 to 64 are"),
        ("backup", "jobs = 65", "backup.jobs: 65 is not a number of sessions"),
        (
            "backup",
            'compression = "zip"',
            "backup.compression: 'zip' is no compression; there are gzip, lz4, zstd, none",
        ),
        ("backup", 'compression = "zstd:23"', "backup.compression: 'zstd:23': zstd has the levels 1 to 22"),
        ("backup", 'compression = "none:1"', "backup.compression: 'none:1': none has no levels"),
        ("backup", 'compression = "gzip:"', "backup.compression: 'gzip:': gzip has the levels 1 to 9"),
        ("production", 'db_port = "4546"', 'production.db_port: wanted a whole number, got the text "4546"'),
        ("production", "db_port = 4546.0", "production.db_port: wanted a whole number, got the number 4546.0"),
        ("production", "db_port = true", "production.db_port: wanted a whole number, got true"),
        ("production", "db_port = 0", "production.db_port: 0 is not a port; ports are 1 to 65535"),
        ("production", "db_port = 65536", "production.db_port: 65536 is not a port; ports are 1 to 65535"),
        ("production", "database = 5", "production.database: wanted a text in quotes, got the number 5"),
        ("production", "database = 2026-11-22", "production.database: wanted a text in quotes, got the date"),
        ("production", 'database = ""', "production.database: the name is empty"),
        ("production", 'database = "a\\u0000"', "production.database: a name cannot hold the character NUL"),
        ("production", f'database = "{"é" * 32}"', "production.database: 64 bytes are too long"),
        ("production", 'database = "postgres"', "production.database: every server has a database postgres"),
        ("test", 'database = "template1"', "test.database: every server has a database template1"),
        ("test", 'role = "pg_test"', "test.role: names of roles that begin with pg_"),
        ("production", 'engine = "docker"\ncontainer = "-x"', "production.container: '-x' is no name of a container"),
        ("test", 'engine = "docker"\nimage = "a b"', "test.image: 'a b' is no image; write it as in postgres:18"),
        ("test", 'engine = "docker"\nurl = "postgresql://h/d"', 'test.url: belongs to engine "server"'),
        ("test", 'engine = "server"', 'test.url: engine "server" needs it'),
        (
            "production",
            'engine = "server"\nurl = "postgresql://u@h:1/d"\ndb_port = 2',
            "production.db_port: '2', but the url says '1'",
        ),
        (
            "production",
            'engine = "server"\nurl = "postgresql://a,b/d"',
            "production.url: exactly one host is needed, not 'a,b'",
        ),
        (
            "production",
            'engine = "dokcer"',
            'production.engine: wanted "embedded", "docker" or "server", got the text "dokcer"',
        ),
        ("production", 'url = "postgresql://h/d"', 'production.url: belongs to engine "server"'),
        ("production", 'volume = "vol"', 'production.volume: belongs to engine "docker"'),
        ("production", "db_port = 4545", "production.db_port: 4545 is also production.web_port"),
        ("test", "db_port = 4546", "test.db_port: 4546 is also production.db_port"),
        ("test", "web_port = 4546", "test.web_port: 4546 is also production.db_port"),
        ("test", 'database = "inventory"', "test.database: inventory is also production.database"),
        ("production", 'database = "inventory_test"', "test.database: inventory_test is also production.database"),
        ("test", 'role = "inventory_app"', "test.role: inventory_app is also production.app_role"),
        ("production", 'app_role = "inventory_admin"', "production.app_role: inventory_admin is also production.admin"),
        ("backup", "keep = 0", "backup.keep: 0 is too small"),
        ("backup", 'directory = "."', "backup.directory: '.' is the project itself"),
        ("backup", 'directory = ""', "backup.directory: a directory is needed"),
        ("backup", 'directory = "../b"', "backup.directory: '../b' leads out of the project"),
        ("backup", 'directory = "a/../.."', "backup.directory: 'a/../..' leads out"),
        ("backup", 'directory = "a/.."', "backup.directory: 'a/..' is the project itself"),
        ("backup", 'directory = "~/b"', "backup.directory: '~/b': ~ is not expanded"),
        ("backup", 'directory = "/nowhere"', "backup.directory: '/nowhere' holds the project itself"),
        ("backup", 'directory = "/"', "backup.directory: '/' holds the project itself"),
        ("backup", 'directory = ".git/b"', "backup.directory: '.git/b' belongs to git"),
        ("backup", 'mirror = "elsewhere"', "backup.mirror: 'elsewhere' is neither an absolute directory nor s3://"),
        ("backup", 'mirror = "s3://B"', "backup.mirror: 's3://B' is neither"),
        ("backup", 'mirror_endpoint = "http://me:pw@x"', "backup.mirror_endpoint: 'http://me:****@x' is not http"),
        ("verify", "watch = ['a b']", "verify.watch[0]: 'b' is left over"),
        ("verify", "watch = 'film'", 'verify.watch: wanted a list in square brackets, got the text "film"'),
        ("verify", "watch = [3]", "verify.watch[0]: wanted a name in quotes, got the number 3"),
        ("diff", "mask = 'password'", "diff.mask: wanted a list in square brackets, got the text"),
        ("diff", "mask = ['a.b.c.d']", "diff.mask[0]: more than a schema, a table and a column"),
        ("diff", "masks = []", "diff.masks: unknown key"),
        ("verify", "watch = ['film', 'FILM']", "verify.watch: 'FILM' and 'film' are the same table film"),
        ("verify", "rules = 3", "verify.rules: wanted a table, got the number 3"),
        ("verify.rules", 'film = "ignore"', "verify.rules.film: ignore needs a reason"),
        ("verify.rules", 'film = "ignore:  "', "verify.rules.film: ignore needs a reason"),
        ("verify.rules", 'film = { rule = "ignore" }', "verify.rules.film: ignore needs a reason"),
        ("verify.rules", 'film = { rule = "ignore", why = "x" }', "verify.rules.film: unknown key 'why'"),
        ("verify.rules", 'film = "appendonly"', "verify.rules.film: there is no rule 'appendonly'"),
        ("verify.rules", "film = false", 'verify.rules.film: a rule is "exact"'),
        ("verify.rules", 'public.film = "exact"', "verify.rules.public: a table here needs the key rule"),
        ("verify.rules", "'a b' = \"exact\"", "verify.rules.'a b': 'b' is left over"),
        ("verify.rules", 'film = "exact"\nFILM = "exact"', "verify.rules: 'FILM' and 'film' are the same table film"),
        ("workflow", 'name = "../x"', "workflow.name: '../x' is not 1 to 64 characters"),
        ("workflow", 'pass_environment = ["A B"]', "workflow.pass_environment[0]: 'A B' is not the name"),
        ("workflow", 'pass_environment = ["PGPASSWORD"]', "workflow.pass_environment[0]: PGPASSWORD names the test"),
        ("workflow", 'pass_environment = ["DATABASE_URL"]', "workflow.pass_environment[0]: DATABASE_URL names the"),
        ("workflow", 'agents = ["x"]', 'workflow.agents[0]: wanted a section [workflow.agents[0]], got the text "x"'),
        ("git", 'commit = "yes"', 'git.commit: wanted true or false, without quotes, got the text "yes"'),
        ("git", "push = 1", "git.push: wanted true or false, without quotes, got the number 1"),
        ("git", "commit = false\npush = true", "git.push: true needs git.commit = true"),
    ],
)
def test_a_mistake_is_named_with_its_key(section: str, line: str, said: str) -> None:
    found = mistakes(with_section(section, line))
    assert len(found) == 1
    assert found[0].startswith(said)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (['name = "a"'], "workflow.agents[1].command: missing key"),
        (['name = "ok"', 'command = ["x"]'], "workflow.agents[1].name: 'ok' is also the name of workflow.agents[0]"),
        (['name = "OK"', 'command = ["x"]'], "workflow.agents[1].name: 'OK' is also the name of workflow.agents[0]"),
        (['name = ".a"', 'command = ["x"]'], "workflow.agents[1].name: '.a' is not"),
        (['name = "-a"', 'command = ["x"]'], "workflow.agents[1].name: '-a' is not"),
        (['name = "a/b"', 'command = ["x"]'], "workflow.agents[1].name: 'a/b' is not"),
        (['name = "a\\n"', 'command = ["x"]'], "workflow.agents[1].name: 'a\\\\n' is not"),
        (['name = ""', 'command = ["x"]'], "workflow.agents[1].name: '' is not"),
        (['name = "a"', "command = []"], "workflow.agents[1].command: the command is empty"),
        (['name = "a"', 'command = [" "]'], "workflow.agents[1].command: the command is empty"),
        (['name = "a"', 'command = "claude -p"'], "workflow.agents[1].command: wanted a list in square brackets"),
        (['name = "a"', 'command = ["a", 1]'], "workflow.agents[1].command[1]: wanted a text in quotes"),
        (['name = "a"', 'command = ["a\\u0000"]'], "workflow.agents[1].command[0]: an argument cannot hold"),
        (['name = "a"', 'command = ["a"]', "timeout_minutes = 0"], "workflow.agents[1].timeout_minutes: 0 is not"),
        (['name = "a"', 'command = ["a"]', "timeout_minutes = -1"], "workflow.agents[1].timeout_minutes: -1 is not"),
        (['name = "a"', 'command = ["a"]', "timeout_minutes = inf"], "workflow.agents[1].timeout_minutes: inf is not"),
        (['name = "a"', 'command = ["a"]', "timeout_minutes = nan"], "workflow.agents[1].timeout_minutes: nan is not"),
        (['name = "a"', 'command = ["a"]', "retries = -1"], "workflow.agents[1].retries: -1 is not 0 to 5"),
        (['name = "a"', 'command = ["a"]', "retries = 6"], "workflow.agents[1].retries: 6 is not 0 to 5"),
        (['name = "a"', 'command = ["a"]', "retries = true"], "workflow.agents[1].retries: wanted a whole number"),
        (['name = "a"', 'command = ["a"]', 'instructions = " "'], "workflow.agents[1].instructions: instructions are"),
        (
            ['name = "a"', 'command = ["a"]', 'instructions_file = "../x"'],
            "workflow.agents[1].instructions_file: '../x' is not the path of a file in the project",
        ),
        (
            ['name = "a"', 'command = ["a"]', 'instructions_file = "/etc/passwd"'],
            "workflow.agents[1].instructions_file: '/etc/passwd' is not",
        ),
        (
            ['name = "a"', 'command = ["a"]', 'instructions = "x"', 'instructions_file = "x.md"'],
            "workflow.agents[1].instructions_file: the instructions are given as a text, too",
        ),
        (
            ['name = "a"', 'command = ["a"]', 'timeout_minutes = "60"'],
            "workflow.agents[1].timeout_minutes: wanted a num",
        ),
        (
            ['name = "a"', 'comand = ["a"]', 'command = ["a"]'],
            "workflow.agents[1].comand: unknown key (did you mean com",
        ),
    ],
)
def test_mistakes_in_agents(lines: list[str], said: str) -> None:
    good = '[[workflow.agents]]\nname = "ok"\ncommand = ["x"]\n[[workflow.agents]]\n'
    found = mistakes(MINIMAL + good + "\n".join(lines))
    assert len(found) == 1
    assert found[0].startswith(said)


def test_every_mistake_is_told_in_one_go() -> None:
    found = mistakes(
        'project = "In ventory"\nextra = 1\n[production]\nweb_port = "x"\ndb_port = 5\n[prodution]\n'
        '[backup]\nkeep = -1\n[git]\ncommit = "no"\n'
    )
    keys = [line.partition(":")[0] for line in found]
    assert sorted(keys) == sorted(
        ["project", "production.web_port", "test", "backup.keep", "git.commit", "extra", "prodution"]
    )
    assert "test: missing section" in found
    assert "prodution: unknown key (did you mean production?)" in found


def test_comparisons_are_told_beside_wrong_types() -> None:
    found = mistakes('project = "x"\n[production]\nweb_port = "a"\n[test]\ndatabase = "x"\nweb_port = 4546\n')
    assert [line.partition(":")[0] for line in found] == ["production.web_port", "test.web_port", "test.database"]


def test_what_must_be_in_the_file() -> None:
    assert mistakes("[backup]\n") == [
        "project: missing key",
        "production: missing section",
        "test: missing section",
    ]


def test_sections_that_are_no_sections() -> None:
    found = mistakes('project = "x"\nproduction = 5\nverify = []\n[[test]]\n')
    assert found == [
        "production: wanted a section [production], got the number 5",
        "test: wanted a section [test], got a list",
        "verify: wanted a section [verify], got a list",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("# nothing but a comment\n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (
            "[production]\ndb_port = 1\nweb_port = 2\ndb_port = 3\n",
            "line 4, column 12: the key db_port stands there twice",
        ),
        ("[production]\n[test]\n[production]\n", "line 3, column 12: the section [production] stands there twice"),
        ("[a.b]\n[a.b]\n", "line 2, column 5: the section [a.b] stands there twice"),
        ("project = no\n", "line 1, column 11: invalid value"),
        ("project: inventory\n", "line 1, column 8: expected '=' after a key in a key/value pair"),
        ('project = "open\n', "line 1, column 16: illegal character"),
        ('project = "open', "at its end: unterminated string"),
        (b"project = '\xff'", "byte 12 is not UTF-8"),
        ("project = 'x'".encode("utf-16"), "byte 1 is not UTF-8"),
        ("x = " + "[" * 5000, "values are nested too deeply"),
    ],
)
def test_what_is_no_toml_says_where(text: str | bytes, said: str) -> None:
    found = mistakes(text)
    assert len(found) == 1
    assert found[0].startswith(said)


def test_a_password_is_refused_and_never_shown() -> None:
    for url in (
        "postgresql://u:topsecret@h/d",
        "postgresql://u:top/s@cret@h/d",
        "postgresql://h/d?password=topsecret",
        "postgresql://h/d?pass%77ord=topsecret",
    ):
        found = mistakes(with_section("production", f'url = "{url}"'))
        assert any("a password does not belong in this file" in line for line in found)
        assert "secret" not in "".join(found) and "cret" not in "".join(found)
    twice = mistakes('[production]\npassword = "topsecret"\npassword = "topsecret"\n')
    assert "topsecret" not in twice[0]
    wrong_place = mistakes(with_section("production", 'db_port = "postgresql://u:topsecret@h"'))
    assert "topsecret" not in wrong_place[0]


def test_a_value_cannot_forge_a_line() -> None:
    found = mistakes(with_section("production", 'db_port = "x\\nringfence.toml: fine"', '"a\\nb" = 1'))
    assert len(found) == 2


# ── finding and reading the file ──


def test_the_nearest_file_above_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "a/b/c"
    deep.mkdir(parents=True)
    (tmp_path / "ringfence.toml").write_text(MINIMAL)
    (tmp_path / "a/ringfence.toml").write_text(MINIMAL.replace("inventory", "near"))
    settings = load(None, start=deep)
    assert (settings.project, settings.root, settings.path) == ("near", tmp_path / "a", tmp_path / "a/ringfence.toml")


@pytest.mark.parametrize(
    ("test", "code"),
    [
        ('engine = "server"\nurl = "postgresql://r@h/d?hostaddr=10.0.0.1"', 7),
        ('engine = "server"\nurl = "postgresql://r@h/d?service=x"', 7),
        ('engine = "server"\nurl = "postgresql://r@h1,h2/d"', 7),
        ('engine = "server"\nurl = "host=h dbname=d"', 7),
        ('engine = "docker"\ncontainer = "inventory-db-prod"', 7),
        ("db_port = 4546", 7),
        ('database = "inventory"', 7),
        ('role = "inventory_admin"', 7),
        # Mistakes that lead nowhere, alone or beside one that misleads.
        ('engine = "server"\nurl = "postgresql://r@h/d?passfile=/x"', 2),
        ('engine = "server"\nurl = "mysql://r@h/d"', 2),
        ("db_port = 2345", 2),
        ("db_port = 4546\ncolour = 1", 2),
    ],
)
def test_what_misleads_is_refused_as_a_question_of_identity(test: str, code: int) -> None:
    production = 'engine = "docker"\n' if "docker" in test else ""
    with pytest.raises((ConfigError, IdentityError)) as caught:
        read(f'project = "inventory"\n[production]\n{production}[test]\n{test}\n')
    assert caught.value.exit_code == code and caught.value.hint, str(caught.value)


def test_no_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no ringfence\.toml in") as caught:
        find(tmp_path)
    assert "ringfence init" in (caught.value.hint or "")


def test_a_named_file_is_relative_to_where_one_stands(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(MINIMAL)
    settings = load(Path("other.toml"), start=tmp_path)
    assert (settings.found_at, settings.root) == (tmp_path / "other.toml", tmp_path)
    with pytest.raises(ConfigError, match="No such file"):
        load(Path("missing.toml"), start=tmp_path)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "big").write_bytes(b"#" * ((1 << 20) + 1))
    for name in ("directory", "pipe", "loop", "big"):
        with pytest.raises(ConfigError):
            load(Path(name), start=tmp_path)


def test_a_dangling_link_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "ringfence.toml").write_text(MINIMAL)
    (tmp_path / "a/ringfence.toml").symlink_to("gone")
    with pytest.raises(ConfigError, match="cannot read"):
        load(None, start=tmp_path / "a")


def test_a_link_is_followed_and_the_project_stays_where_the_link_is(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "shared.toml").write_text(MINIMAL)
    (tmp_path / "project/ringfence.toml").symlink_to(tmp_path / "shared.toml")
    settings = load(None, start=tmp_path / "project")
    assert settings.path == tmp_path / "shared.toml"
    assert settings.root == tmp_path / "project"
    assert settings.found_at == tmp_path / "project/ringfence.toml"


def test_a_change_of_the_file_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "ringfence.toml"
    file.write_text(MINIMAL)
    settings = load(None, start=tmp_path)
    assert is_unchanged(settings)
    file.write_text(MINIMAL + "\n")
    assert not is_unchanged(settings)
    file.write_text(MINIMAL)
    assert is_unchanged(settings)
    file.rename(tmp_path / "moved")
    assert not is_unchanged(settings)
    file.symlink_to("moved")
    assert not is_unchanged(settings)
