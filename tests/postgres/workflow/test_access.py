"""Agents of a test server that takes encrypted connections only: they check its name, and see one file for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from tests.postgres.conftest import Server
from tests.postgres.engines.existing import encrypted_server
from tests.postgres.workflow.refusals import pointed
from tests.postgres.workflow.stage import MAJORS, Stage, World
from tests.postgres.workflow.ways import Door

from ringfence.engines import ports
from ringfence.postgres.target import PassEntry, add_passwords
from ringfence.sandbox import bubblewrap
from ringfence.workflow.project import open_project
from ringfence.workflow.runs.agents import environment_of

NAME = socket.gethostname()
"""A name that leads nowhere in a sandbox, unless somebody sees to it."""

LOOK = """
look="SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
echo "variables: $(psql -XAtc "$look" 2>&1)"
echo "url: $(env -u PGHOST -u PGHOSTADDR -u PGSSLMODE -u PGSSLROOTCERT psql -XAt "$DATABASE_URL" -c "$look" 2>&1)"
echo "files: $(ls "$(dirname "$PGSSLROOTCERT")")"
echo "another name: $(PGHOST=other.example psql -XAtc "$look" 2>&1)"
"""


@pytest.fixture(scope="module")
def encrypted(world: World) -> Iterator[tuple[Server, Path]]:
    with encrypted_server(world.path, NAME) as made:
        made[0].execute("CREATE ROLE shared_test SUPERUSER LOGIN PASSWORD 'test''s own'")
        yield made


def stage_on(stage: Stage, server: Server, parameters: str) -> Stage:
    """The project with its test environment on that server."""
    url = f"{NAME}:{server.port}/{stage.test.database}"
    text = pointed(stage, Door(host=NAME, port=server.port)).replace(url, f"{url}?{parameters}")
    text = text.replace("web_port = 2\n", f"web_port = {ports.free_port()}\n")
    stage.project.settings.found_at.write_text(text)
    entry = PassEntry(host=NAME, port=server.port, user="shared_test", password="test's own")
    add_passwords(stage.project.paths.pgpass, [entry])
    project = open_project(stage.project.settings.found_at, start=stage.root, environ=stage.environ)
    return replace(stage, project=project)


@pytest.fixture
def stage(world: World) -> Iterator[Stage]:
    with world.stage(MAJORS[0], MAJORS[0], toml='\n[sandbox]\nmode = "auto"\n') as made:
        text = made.project.settings.found_at.read_text()
        yield made
        made.project.settings.found_at.write_text(text)


@pytest.mark.skipif(bubblewrap.find() is None, reason="no sandbox: bubblewrap is not installed")
def test_an_agent_checks_the_name_of_an_encrypted_test_server(stage: Stage, encrypted: tuple[Server, Path]) -> None:
    server, authority = encrypted
    secured = stage_on(stage, server, f"sslmode=verify-full&sslrootcert={authority}")
    with psycopg.connect(secured.test.on("postgres").conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {secured.test.database}".encode())
    variables = environment_of(secured.project, "build", {}, run_id="r", issue=None).variables
    assert (variables["PGHOST"], variables["PGHOSTADDR"]) == (NAME, "127.0.0.1")
    assert variables["DATABASE_URL"].endswith(f"?sslmode=verify-full&sslrootcert={authority}")
    done = secured.cli("sandbox", "--", "sh", "-c", LOOK)
    print(done.stderr, done.stdout)
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert (done.returncode, said.pop("variables"), said.pop("url")) == (0, "t", "t"), done
    assert said.pop("files") == authority.name, "its key lies beside it"
    assert "does not match host name" in said.pop("another name") and not said
