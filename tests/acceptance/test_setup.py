"""``init``, ``up``, ``down`` and ``status``: from an empty directory to two running servers, and back."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import stat
from pathlib import Path

import psycopg
import pytest
from tests.acceptance.project import (
    ENVIRONMENTS,
    SHARED_PLACE,
    new_project,
    toml,
    wait_for,
)

ENVIRONMENT_KEYS = {
    *("environment", "engine", "state", "host", "port", "pid", "server_version", "data_directory"),
    *("container", "volume", "note"),
}


def test_init_writes_the_numbers_of_the_strategy(empty):
    document = empty.json("init")
    assert document.keys() == {"schema", "root", "written", "kept", "adopted", "tests"}
    assert document["written"][:2] == ["ringfence.toml", ".gitignore"] and document["kept"] == document["adopted"] == []
    settings = toml(empty)
    assert settings["project"] == "inventory"
    assert settings["production"] == {
        "engine": "embedded",
        "web_port": 4545,
        "db_port": 4546,
        "database": "inventory",
        "admin_role": "inventory_admin",
        "app_role": "inventory_app",
    }
    assert settings["test"] == {
        "engine": "embedded",
        "web_port": 2345,
        "db_port": 2346,
        "database": "inventory_test",
        "role": "inventory_test",
    }
    assert settings["backup"] == {"directory": ".backups", "keep": 5}
    assert settings["verify"]["watch"] == ['"Component"', '"SKU"', '"Transaction"']
    assert settings["verify"]["rules"] == {'"Transaction"': "append-only"}
    assert settings["workflow"]["name"] == "orchestrate3"
    assert settings["git"] == {"commit": True, "push": True}
    for agent in ("scout-and-plan", "build", "test-and-cleanup"):
        assert f'# name = "{agent}"' in empty.config.read_text()
    assert {".backups/", ".agents/outputs/", ".agents/timing/"} <= set(
        (empty.root / ".gitignore").read_text().splitlines()
    )
    scripts = {
        "backup-production.sh": "ringfence backup create",
        "reseed-test-database.sh": "ringfence reseed",
        "verify-production-integrity.sh": "ringfence verify",
        "setup-database-roles.sh": "ringfence roles apply",
    }
    for name, command in scripts.items():
        script = empty.root / "scripts" / name
        assert os.access(script, os.X_OK) and command in script.read_text()


def test_init_keeps_what_is_there(empty):
    (empty.root / ".gitignore").write_text("mine/\n.backups/")
    (empty.root / "scripts").mkdir()
    (empty.root / "scripts" / "backup-production.sh").write_text("mine\n")
    document = empty.json("init")
    assert document["kept"] == ["scripts/backup-production.sh"]
    assert (empty.root / "scripts" / "backup-production.sh").read_text() == "mine\n"
    assert (empty.root / ".gitignore").read_text() == "mine/\n.backups/\n.agents/outputs/\n.agents/timing/\n"
    empty.config.write_text("mine = true\n")
    assert "--force" in empty.refused("init", code=2)
    assert empty.config.read_text() == "mine = true\n"
    empty.run("init", "--force")
    assert toml(empty)["project"] == "inventory"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--project", "My Shop"), "My Shop"),
        (("--project", "../x"), "../x"),
        (("--engine", "server"), "needs a url"),
        (("--engine", "server", "--url", "postgresql://h/d?options=-c"), "parameter options is not taken"),
        (("--engine", "oracle"), "oracle"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_init_refuses_what_cannot_be(empty, words, said):
    assert said in empty.refused("init", *words, code=2)
    assert list(empty.root.iterdir()) == []


def test_from_nothing_to_two_servers_and_back(empty):
    empty.write_config()
    before = empty.json("status")
    assert before.keys() == {
        *("schema", "project", "environments", "last_run", "halt", "in_the_way", "running", "backups"),
    }
    assert [e["state"] for e in before["environments"]] == ["absent", "absent"]
    assert before["last_run"] is None and before["halt"] is False and before["backups"] == []

    first = empty.json("up")
    assert first.keys() == {"schema", "environments"}
    for found, name in zip(first["environments"], ENVIRONMENTS, strict=True):
        assert found.keys() == ENVIRONMENT_KEYS | {"changes"}
        assert (found["environment"], found["engine"], found["state"]) == (name, "embedded", "running")
        assert (found["host"], found["port"]) == ("127.0.0.1", empty.ports[name])
        assert found["changes"] and found["pid"] == empty.server(name)
    production = first["environments"][0]
    assert any("inventory_app" in change for change in production["changes"])

    passwords, settings = empty.pgpass.read_bytes(), empty.config.read_bytes()
    second = empty.json("up")
    assert [e["changes"] for e in second["environments"]] == [[], []], "a second 'up' changes nothing"
    assert [e["pid"] for e in second["environments"]] == [e["pid"] for e in first["environments"]]
    assert (empty.pgpass.read_bytes(), empty.config.read_bytes()) == (passwords, settings)
    assert empty.json("status")["environments"] == [{k: e[k] for k in ENVIRONMENT_KEYS} for e in second["environments"]]

    assert [e["state"] for e in empty.json("down", "test")["environments"]] == ["running", "stopped"]
    down = empty.json("down")
    assert [e["state"] for e in down["environments"]] == ["stopped", "stopped"]
    assert [e["changes"] for e in down["environments"]] == [["stopped"], []]
    empty.run("down")
    assert empty.server("production") is None and empty.server("test") is None

    empty.run("up", "production")
    assert empty.server("production") is not None and empty.server("test") is None


def test_an_environment_that_does_not_exist(empty):
    empty.write_config()
    assert "staging" in empty.refused("up", "staging", code=2)
    assert "staging" in empty.refused("down", "staging", code=2)


def test_the_roles_of_production(shop):
    with shop.connect("production", role="inventory_app") as application:
        application.execute("""INSERT INTO "Component" (code) VALUES ('by the application')""")
        application.execute("""UPDATE "Component" SET notes = 'x' WHERE code = 'by the application'""")
        for forbidden in ('DELETE FROM "Component"', 'TRUNCATE "Component"', 'DROP TABLE "Component"'):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(forbidden.encode())
    shop.sql("production", """DELETE FROM "Component" WHERE code = 'by the application'""")
    flags = "SELECT rolsuper FROM pg_roles WHERE rolname = %s"
    with shop.connect("production") as production, shop.connect("test") as test:
        assert production.execute(flags, ("inventory_admin",)).fetchone() == (True,)
        assert production.execute(flags, ("inventory_app",)).fetchone() == (False,)
        assert test.execute(flags, ("inventory_test",)).fetchone() == (True,)
        names = "SELECT rolname FROM pg_roles WHERE rolname IN ('inventory_app', 'inventory_admin', 'inventory_test')"
        assert {r[0] for r in production.execute(names)} == {"inventory_admin", "inventory_app"}


def test_passwords_stand_in_one_private_file_outside_the_work_tree(shop):
    assert stat.S_IMODE(shop.pgpass.stat().st_mode) == 0o600
    assert stat.S_IMODE(shop.pgpass.parent.stat().st_mode) == 0o700
    passwords = [p.encode() for p in shop.passwords()]
    assert len(set(passwords)) == 3
    for directory in (shop.root, shop.state):
        for path in directory.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(p in content for p in passwords), f"a password stands in {path}"


def test_both_listen_on_this_machine_only_and_ask_for_a_password(shop):
    for environment in ENVIRONMENTS:
        listen = shop.sql(environment, "SHOW listen_addresses", "SHOW listen_addresses")
        assert listen == [("127.0.0.1",)]
        assert shop.sql(environment, "SHOW unix_socket_directories") == [("",)]
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(
                host="127.0.0.1",
                port=shop.ports[environment],
                dbname="postgres",
                user=shop.role(environment),
                password="wrong",
            )
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(
            host="127.0.0.1",
            port=shop.ports["test"],
            dbname="inventory_test",
            user="inventory_test",
            password=shop.password("production"),
        )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs other accounts for its servers")
def test_servers_of_root_run_as_two_other_accounts(shop):
    owners = {}
    for environment in ENVIRONMENTS:
        pid = shop.server(environment)
        assert pid is not None
        owners[environment] = Path(f"/proc/{pid}").stat().st_uid
        assert owners[environment] != 0, pwd.getpwuid(0).pw_name
        assert shop.data(environment).stat().st_uid == owners[environment]
        assert stat.S_IMODE(shop.data(environment).stat().st_mode) == 0o700
    assert owners["production"] != owners["test"], "the test server must not be able to read production's files"


def test_a_port_in_use_is_named_with_who_uses_it(empty):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", empty.ports["production"]))
        taken.listen()
        empty.write_config()
        said = empty.refused("up", code=2)
        assert f"port {empty.ports['production']} of production is in use by process {os.getpid()}" in said
        assert "db_port" in said


def test_another_projects_server_is_never_taken_for_ones_own(shop, empty):
    empty.ports = dict(shop.ports)
    empty.write_config()
    assert "is in use" in empty.refused("up", code=2)
    assert "is not provably production" in empty.refused("backup", "create", code=7)
    assert "there is no backup" in empty.refused("verify", code=5)
    assert "there is no backup" in empty.refused("reseed", "--fresh-start", code=5)


def test_a_project_of_another_name_in_a_home_that_is_closed():
    """Servers of root run under accounts that cannot get into it: their data go elsewhere, and a link leads there."""
    with new_project(name="film-shop") as project:
        project.base.chmod(0o700)
        project.run("init", "--project", "film-shop")
        text = project.config.read_text()
        settings = toml(project)
        assert settings["production"]["database"] == "film_shop"
        assert settings["test"]["database"] == "film_shop_test"
        project.config.write_text(
            text.replace("4546", str(project.ports["production"])).replace("2346", str(project.ports["test"]))
        )
        project.run("up")
        lines = project.pgpass.read_text()
        assert "film_shop_admin" in lines and "film_shop_app" in lines and "film_shop_test" in lines
        places = [project.data(environment).parent for environment in ENVIRONMENTS]
        if os.geteuid() == 0:
            assert all(p.is_symlink() and p.resolve().parent == SHARED_PLACE for p in places)
        assert [e["changes"] for e in project.json("up")["environments"]] == [[], []]
        project.run("backup", "create", "--issue", "12")
        assert [p.name for p in project.backups.glob("film_shop_backup_12_*.dump")]
        places = [p.resolve() for p in places]
    assert not any(p.exists() for p in places)


def test_a_killed_server_comes_back_with_its_data(shop):
    before, pid = shop.contents("production"), shop.server("production")
    shop.kill_server("production", signal.SIGKILL)
    # PostgreSQL takes a zombie for a server that runs, and not every first process waits for its children at once.
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the first process to wait for the server")
    changes = shop.json("up")["environments"][0]["changes"]
    assert any("recovered" in change for change in changes) and "started" in changes
    assert shop.contents("production") == before
