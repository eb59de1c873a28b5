"""Production on a server that exists already and that nobody here starts or stops; test on whichever engine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.acceptance.pages import blocks
from tests.acceptance.project import INVENTORY, Project, new_project
from tests.acceptance.runs import PRICES, go
from tests.postgres import conftest as cluster
from tests.postgres.conftest import Server

from ringfence.postgres.programs import find_programs

PASSWORD = "p:w\\d of theirs"
READER, *STAMPS = (statement.rstrip(";") for statement in blocks("existing-server.md", "sql"))
INIT, UP = (line.split()[1:] for line in blocks("existing-server.md", "sh"))


@pytest.fixture(scope="module")
def theirs() -> Iterator[Server]:
    """A server of somebody else's: with a database of the project's name, and roles that nobody told us about."""
    base = Path(tempfile.mkdtemp(prefix="ringfence-acceptance-server-"))
    base.chmod(0o711)
    account = cluster._account()
    server = cluster._start(find_programs()[0], base, account)
    try:
        yield server
    finally:
        cluster._remove(server.programs, base, account)


@pytest.fixture
def owned(theirs: Server) -> Iterator[Server]:
    """The same with the inventory in it, and without it afterwards."""
    theirs.execute("CREATE ROLE inventory_app LOGIN PASSWORD 'the app''s own'", "CREATE DATABASE inventory")
    theirs.psql("inventory", INVENTORY)
    yield theirs
    theirs.execute("DROP DATABASE inventory WITH (FORCE)")
    # What ``roles apply`` took from PUBLIC in the databases that every test finds.
    theirs.execute(
        "GRANT CONNECT, TEMPORARY ON DATABASE postgres TO PUBLIC", "GRANT CONNECT ON DATABASE template1 TO PUBLIC"
    )
    theirs.execute("DROP ROLE IF EXISTS inventory_admin", "DROP ROLE inventory_app")


def project_on(server: Server, project: Project, *words: str) -> None:
    """``init`` for this server and a commit; nobody has written a password down yet."""
    said = [word.replace("db.example", f"127.0.0.1:{server.port}") for word in INIT]
    project.run(*said, *words)
    text = project.config.read_text().replace("db_port = 2346\n", f"db_port = {project.ports['test']}\n")
    text = text.replace('mode = "auto"', f'mode = "{project.sandbox}"')
    project.config.write_text(text)
    (project.base / "ringfence.toml.init").write_text(text)
    project.ports["production"] = server.port
    project.make_repository()


def know(project: Project, port: int, role: str, password: str) -> None:
    """A person adds a line to the pgpass file, as the message says."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    project.pgpass.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with project.pgpass.open("a") as file:
        file.write(f"127.0.0.1:{port}:*:{role}:{escaped}\n")
    project.pgpass.chmod(0o600)


def works_as(server: Server, role: str, password: str) -> bool:
    try:
        psycopg.connect(
            host="127.0.0.1", port=server.port, dbname="inventory", user=role, password=password, passfile=os.devnull
        ).close()
    except psycopg.OperationalError:
        return False
    return True


def test_an_existing_production_and_an_embedded_test(owned: Server) -> None:
    """As the page says, from the url to a changed row; the app's role keeps its password, and its server goes on."""
    with new_project() as project:
        project_on(owned, project)
        assert "password" not in project.config.read_text().split("url = ")[1].split("#")[0]
        owned.execute(f"CREATE ROLE inventory_admin SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        said = project.refused("up", code=2)
        assert f"127.0.0.1:{owned.port}:*:inventory_admin:PASSWORD" in said
        know(project, owned.port, "inventory_admin", PASSWORD)
        said = project.refused("up", code=7)
        assert "nobody agreed to take this database for production" in said and "3 tables" in said
        assert works_as(owned, "inventory_app", "the app's own")
        project.run("up", "--yes")
        again = project.json("up")["environments"]
        assert [(e["engine"], e["state"], e["changes"]) for e in again] == [
            ("server", "running", []),
            ("embedded", "running", []),
        ]
        assert works_as(owned, "inventory_app", "the app's own"), "nobody changed the application's password"

        applied = project.json("roles", "apply")
        assert applied["statements"] and applied["password_made"] is False
        assert works_as(owned, "inventory_app", "the app's own"), "an application may be running with it"

        project.configure("build")
        project.agent("build", 'psql -qc \'DELETE FROM "Transaction"\'\necho "# done" >> app.py')
        know(project, owned.port, "inventory_app", "the app's own")
        run = go(project, "Clean up", "--fresh-start")
        assert (run["outcome"], run["verdict"]["verdict"]) == ("passed", "unchanged")
        with psycopg.connect(owned.target.on("inventory").conninfo(), autocommit=True) as session:
            session.execute(PRICES.encode())
        assert project.json("verify", code=3)["verdict"] == "changed"
        assert "production: is not this tool's to stop" in project.run("down").said
        assert works_as(owned, "inventory_app", "the app's own"), "the server goes on"
        assert project.json("status")["environments"][0]["state"] == "running"


def test_an_administrator_who_is_no_superuser(owned: Server) -> None:
    """What his role may not read is listed at every verification; rows are compared in full."""
    with new_project() as project:
        project_on(owned, project)
        owned.execute(f"CREATE ROLE inventory_admin LOGIN PASSWORD '{PASSWORD}'")
        know(project, owned.port, "inventory_admin", PASSWORD)
        said = project.refused("up", "--yes", code=7)
        assert "ALTER DATABASE inventory SET ringfence.environment = 'production'" in said
        owned.execute(*STAMPS)
        project.run(*UP)
        assert "is no superuser" in project.json("status")["environments"][0]["note"]
        said = project.refused("backup", "create", code=5)
        assert "permission denied" in said
        owned.execute(READER)
        made = project.run("backup", "create").said
        assert "not in the baseline" in made
        project.run("reseed", "--fresh-start")
        verified = project.json("verify")
        assert verified["verdict"] == "unchanged"
        listed = [reason for reason in verified["reasons"] if reason.startswith("not compared")]
        assert len(listed) == 3 and any("pg_hba" in reason or "authentication" in reason for reason in listed), listed


def test_two_existing_servers(owned: Server) -> None:
    """Test on a second server that exists; the same server for both is refused, whatever it is called."""
    base = Path(tempfile.mkdtemp(prefix="ringfence-acceptance-server-"))
    base.chmod(0o711)
    account = cluster._account()
    second = cluster._start(find_programs()[0], base, account)
    try:
        second.execute(f"CREATE ROLE inventory_test SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        owned.execute(f"CREATE ROLE inventory_admin SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        owned.execute(f"CREATE ROLE inventory_test SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        with new_project() as project:
            project_on(
                owned, project, "--test-url", f"postgresql://inventory_test@localhost:{owned.port}/inventory_test"
            )
            for host in ("127.0.0.1", "localhost"):
                know(project, owned.port, "inventory_admin", PASSWORD)
                project.pgpass.write_text(
                    project.pgpass.read_text()
                    + f"{host}:{owned.port}:*:inventory_test:p\\:w\\\\d of theirs\n"
                    + f"{host}:{second.port}:*:inventory_test:p\\:w\\\\d of theirs\n"
                )
            said = project.refused("up", "--yes", code=7)
            assert ("production" in said and "same server" in said) or "is production's server" in said
            text = project.config.read_text().replace(f"localhost:{owned.port}/", f"localhost:{second.port}/")
            project.config.write_text(text)
            project.run("up", "--yes")
            project.run("backup", "create")
            assert project.json("reseed", "--fresh-start")["proven"] is True
            assert project.json("roles", "apply", "--new-password")["password_made"] is True
            assert works_as(owned, "inventory_app", project.password("production", "inventory_app"))
            assert not works_as(owned, "inventory_app", "the app's own")
    finally:
        owned.execute("DROP ROLE inventory_test")
        cluster._remove(second.programs, base, account)
