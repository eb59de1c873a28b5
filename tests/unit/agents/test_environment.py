"""The allow-list: what reaches an agent, what does not, and that what does not is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ringfence.agents.environment import AgentEnvironment, agent_environment, test_database_url
from ringfence.agents.model import TestAccess

ACCESS = TestAccess(
    host="127.0.0.1", port=2346, database="inventory_test", user="inventory_test", password="s3cret-pw", web_port=2345
)
URL = "postgresql://inventory_test:s3cret-pw@127.0.0.1:2346/inventory_test"


def make(caller: dict[str, str], *pass_through: str, programs: str | None = "/opt/pg/bin") -> AgentEnvironment:
    return agent_environment(
        caller,
        ACCESS,
        programs_directory=Path(programs) if programs else None,
        pass_through=pass_through,
        agent="build",
        run_id="20261122T101530Z-3f2a91",
        issue="12",
    )


def test_an_agent_of_an_empty_caller_gets_the_test_environment_only() -> None:
    assert make({}).variables == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/pg/bin",
        "DATABASE_URL": URL,
        "TEST_DATABASE_URL": URL,
        "TEST_BASE_URL": "http://127.0.0.1:2345",
        "PGHOST": "127.0.0.1",
        "PGPORT": "2346",
        "PGDATABASE": "inventory_test",
        "PGUSER": "inventory_test",
        "PGPASSWORD": "s3cret-pw",
        "PGPASSFILE": "/dev/null",
        "PGSERVICEFILE": "/dev/null",
        "PGSYSCONFDIR": "/dev/null",
        "PSQLRC": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "RINGFENCE_RUN": "20261122T101530Z-3f2a91",
        "RINGFENCE_AGENT": "build",
        "RINGFENCE_ISSUE": "12",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("PGHOSTADDR", "PGSERVICE", "PGOPTIONS", "PGSSLMODE", "PGTARGETSESSIONATTRS", "PGAPPNAME"),
        *("DATABASE_URL_PRODUCTION", "PROD_DATABASE_URL", "POSTGRES_PASSWORD", "DB_HOST", "SQLALCHEMY_URL"),
        *("DOCKER_HOST", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "GITHUB_TOKEN", "GH_TOKEN", "SSH_AUTH_SOCK"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "AZURE_CLIENT_SECRET", "NPM_TOKEN", "KUBECONFIG", "VAULT_TOKEN"),
        *("LD_PRELOAD", "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV", "ENV", "NODE_OPTIONS", "GIT_SSH_COMMAND"),
    ],
)
def test_what_is_not_listed_is_not_there(name: str) -> None:
    assert name not in make({name: "some value"}).variables


@pytest.mark.parametrize(
    "name",
    [
        *("HOME", "LANG", "LC_ALL", "TERM", "TMPDIR", "USER", "SHELL", "TZ", "NO_COLOR", "XDG_RUNTIME_DIR"),
        *("ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "GEMINI_API_KEY", "GOOGLE_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"),
        *("CODEX_HOME", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "NVM_DIR"),
    ],
)
def test_what_agents_need_is_there(name: str) -> None:
    made = make({name: "/some/value"})
    assert made.variables[name] == "/some/value"
    assert made.dropped == ()


@pytest.mark.parametrize("name", ["PGHOST", "PGDATABASE", "DATABASE_URL", "TEST_BASE_URL", "RINGFENCE_RUN", "PSQLRC"])
def test_the_callers_value_never_wins(name: str) -> None:
    for pass_through in ((), (name,), (name[:2] + "*",)):
        assert make({name: "production"}, *pass_through).variables[name] != "production"


def test_a_project_can_name_more() -> None:
    made = make({"NPM_TOKEN": "npm_abc123", "AWS_REGION": "eu", "AWS_PROFILE": "p", "OTHER": "x"}, "NPM_TOKEN", "AWS_*")
    assert made.variables["NPM_TOKEN"] == "npm_abc123"
    assert made.variables["AWS_REGION"] == "eu" and made.variables["AWS_PROFILE"] == "p"
    assert "OTHER" not in made.variables


def test_a_star_alone_is_no_prefix() -> None:
    assert "OTHER" not in make({"OTHER": "x"}, "*").variables


@pytest.mark.parametrize(
    "name", ["PGHOSTADDR", "PGSERVICE", "DATABASE_URL_PROD", "PROD_DATABASE_URL", "DOCKER_HOST", "SSH_AUTH_SOCK"]
)
def test_names_that_lead_to_a_server_are_dropped_even_when_asked_for(name: str) -> None:
    made = make({name: "x"}, name)
    assert name not in made.variables
    assert [d.name for d in made.dropped] == [name]
    assert "leads to a database or a server" in made.dropped[0].reason


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://app@db.example/inventory",
        "postgres://app:pw@127.0.0.1:4546/inventory",
        "POSTGRES://db.example",
        "jdbc:postgresql://db.example:4546/inventory",
        "postgresql+psycopg2://app@db.example/inventory",
        "postgis://db.example/x",
        "postgresql%3A%2F%2Fdb.example%2Finventory",
        f"{URL}?host=db.example",
        f"{URL},postgres://other/db",
        f"{URL} postgres://other/db",
        "host=db.example dbname=inventory user=app",
        "service=production",
        '{"url": "postgres://db.example/x"}',
    ],
)
def test_a_value_that_leads_to_another_postgresql_is_dropped_and_reported(value: str) -> None:
    for name, pass_through in (("ANTHROPIC_CUSTOM", ()), ("MY_OWN", ("MY_OWN",))):
        made = make({name: value}, *pass_through)
        assert name not in made.variables
        assert [d.name for d in made.dropped] == [name]
        assert value not in made.dropped[0].reason


@pytest.mark.parametrize(
    "value",
    [
        URL,
        "https://api.example/v1?user=x",
        "http://proxy:8080",
        "a postgres server",
        "user=app",
        "localhost,127.0.0.1",
        "key=value;host=x",
    ],
)
def test_a_value_that_does_not_is_kept(value: str) -> None:
    assert make({"ANTHROPIC_X": value}).variables["ANTHROPIC_X"] == value


def test_the_path_keeps_its_order_and_gets_the_programs_at_its_end() -> None:
    assert make({"PATH": "/a:/b"}).variables["PATH"] == "/a:/b:/opt/pg/bin"
    assert make({"PATH": "/opt/pg/bin:/b"}).variables["PATH"] == "/opt/pg/bin:/b"
    assert make({"PATH": "/a::/b:"}, programs=None).variables["PATH"] == "/a:/b"


def test_the_url_is_percent_encoded() -> None:
    odd = TestAccess(host="::1", port=1, database="täst db/x", user="u@x", password="p:/?#[]@ %", web_port=2)
    assert test_database_url(odd) == "postgresql://u%40x:p%3A%2F%3F%23%5B%5D%40%20%25@[::1]:1/t%C3%A4st%20db%2Fx"
    socket = TestAccess(host="/run/pg", port=1, database="d", user="u", password="p", web_port=2)
    assert test_database_url(socket) == "postgresql://u:p@%2Frun%2Fpg:1/d"


def test_how_to_connect_is_said_to_libpq_and_in_the_url() -> None:
    """Drivers of other languages refuse a URL with parameters they do not know, so the rest is in variables only."""
    how = (("channel_binding", "require"), ("keepalives", "1"), ("sslmode", "verify-full"), ("sslrootcert", "/a b.crt"))
    made = agent_environment(
        {"PGSSLMODE": "disable", "PGSSLKEY": "/production.key"},
        replace(ACCESS, host="db.example", address="127.0.0.1", parameters=how),
        programs_directory=None,
        agent="build",
        run_id="r",
        issue=None,
    ).variables
    url = "postgresql://inventory_test:s3cret-pw@db.example:2346/inventory_test?sslmode=verify-full&sslrootcert=/a%20b.crt"
    assert made["DATABASE_URL"] == url
    there = {name: value for name, value in made.items() if name.startswith(("PGSSL", "PGHOST", "PGCH"))}
    assert there == {
        "PGHOST": "db.example",
        "PGHOSTADDR": "127.0.0.1",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/a b.crt",
        "PGCHANNELBINDING": "require",
    }


def test_secrets_are_named_and_not_shown() -> None:
    made = make({"ANTHROPIC_API_KEY": "sk-ant-123456", "CLAUDE_CODE_OAUTH_TOKEN": "tok-123", "HOME": "/root"})
    assert {"sk-ant-123456", "tok-123", "s3cret-pw"} <= set(made.secrets())
    assert "/root" not in made.secrets()
    assert "sk-ant" not in repr(made) and "s3cret" not in repr(made)
    assert "s3cret" not in repr(ACCESS)
