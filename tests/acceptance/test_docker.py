"""A project in two containers: the whole workflow, and the strategy's own recovery commands word for word."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator

import pytest
from tests.acceptance.pages import blocks
from tests.acceptance.project import INVENTORY, Project, new_project, wait_for
from tests.acceptance.runs import PRICES, go, resolve, steps
from tests.dockerd import DockerForTests

NAMES = ("inventory-db-prod", "inventory-db-test")
# Emergency Recovery, steps 3 and 4 of the protection strategy, as they stand there.
RESTORE = 'docker exec -i inventory-db-prod pg_restore -U postgres -d inventory --clean \\\n    < "$BACKUP_FILE"'
COUNTS = r"""docker exec inventory-db-prod psql -U postgres -d inventory -c "
SELECT
    (SELECT COUNT(*) FROM \"Component\") as components,
    (SELECT COUNT(*) FROM \"SKU\") as skus,
    (SELECT COUNT(*) FROM \"Transaction\") as transactions;
"
"""


@pytest.fixture
def contained(docker: DockerForTests) -> Iterator[Project]:
    """A project on the engine docker with the strategy's names, where nobody has containers of these names."""
    with INVENTORY.with_name("test_docker.py").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if set(NAMES) & set(docker.lines("ps", "-a", "--format", "{{.Names}}")):
            pytest.skip(f"this machine has a container of its own named {' or '.join(NAMES)}")
        with new_project(
            environment={k: v for k, v in docker.environment.items() if k.startswith("DOCKER")}
        ) as project:
            try:
                project.run("init", "--engine", "docker", "--image", docker.image)
                text = project.config.read_text()
                for environment, port in (("production", 4546), ("test", 2346)):
                    text = text.replace(f"db_port = {port}\n", f"db_port = {project.ports[environment]}\n")
                    (project.root / f"compose.{environment}.yaml").unlink()  # made for the strategy's ports
                text = text.replace('mode = "auto"', f'mode = "{project.sandbox}"')
                project.config.write_text(text)
                (project.base / "ringfence.toml.init").write_text(text)
                project.make_repository()
                yield project
            finally:
                docker.run("rm", "-f", "-v", *NAMES, check=False)
                docker.run("volume", "rm", "inventory_data_prod", "inventory_data_test", check=False)
                docker.run("network", "rm", "inventory-net-prod", "inventory-net-test", check=False)


def shell(project: Project, docker: DockerForTests, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A person's shell in the work tree."""
    environment = {**docker.environment, **variables}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_whole_workflow_in_containers(contained: Project, docker: DockerForTests) -> None:
    said = contained.run("up").said
    assert "made container inventory-db-prod" in said and "made container inventory-db-test" in said
    contained.psql("production", INVENTORY)
    again = contained.json("up")["environments"]
    assert [(e["environment"], e["engine"], e["state"], e["changes"]) for e in again] == [
        ("production", "docker", "running", []),
        ("test", "docker", "running", []),
    ]
    assert (again[0]["container"], again[0]["volume"]) == ("inventory-db-prod", "inventory_data_prod")
    contained.configure("build")

    contained.agent("build", 'psql -qc \'DELETE FROM "Transaction" WHERE id > 50\'\necho "# done" >> app.py')
    run = go(contained, "Cut the range", "--fresh-start")
    assert (run["outcome"], run["verdict"]["verdict"]) == ("passed", "unchanged")
    assert "agent build done" in steps(run)
    assert contained.sql("test", 'SELECT count(*) FROM "Transaction"') == [(50,)]
    before = contained.contents("production")
    assert before["public.SKU"][0] == 100

    contained.agent("build", contained.production_psql(PRICES))
    halted = go(contained, "Look at the prices", code=3)
    assert (halted["outcome"], halted["verdict"]["verdict"]) == ("halt", "changed")
    assert contained.contents("production") != before

    dump = contained.backups / f"{halted['backup']}.dump"
    restored = shell(contained, docker, RESTORE, BACKUP_FILE=str(dump))
    assert restored.returncode == 0, restored.stderr
    counted = shell(contained, docker, COUNTS)
    assert [v.strip() for v in counted.stdout.splitlines()[2].split("|")] == ["50", "100", "400"], counted
    assert contained.contents("production") == before

    resolve(contained, halted)
    contained.run("down")
    volumes = docker.lines("volume", "ls", "-q")
    assert "inventory_data_prod" in volumes and "inventory_data_test" in volumes
    assert [e["state"] for e in contained.json("status")["environments"]] == ["stopped", "stopped"]
    contained.run("up", "production")
    assert contained.contents("production") == before


def test_the_page_for_projects_that_have_containers(contained: Project, docker: DockerForTests) -> None:
    """Every command of the page, in its order, with this machine's ports and image."""
    (contained.config).unlink()
    for line in blocks("existing-docker-project.md", "sh"):
        words = line.replace("postgres:18", docker.image).replace("4546", str(contained.ports["production"])).split()
        if words[0] == "docker":
            # The tests' own engine has no default network; that is the only difference to the page.
            docker.run("network", "create", "inventory-net-prod")
            docker.run("run", "--network", "inventory-net-prod", *words[2:])
            wait_for(
                lambda: docker.run("exec", NAMES[0], "pg_isready", "-h", "127.0.0.1", check=False).returncode == 0,
                "the container that was there before",
            )
        elif words[1] == "init":
            contained.run(*words[1:], "--image", docker.image)
            text = contained.config.read_text()
            for environment, port in (("production", 4546), ("test", 2346)):
                text = text.replace(f"db_port = {port}\n", f"db_port = {contained.ports[environment]}\n")
                (contained.root / f"compose.{environment}.yaml").unlink()
            contained.config.write_text(text)
            assert "nobody agreed" in contained.refused("up", code=7)
        else:
            contained.run(*words[1:])
    states = {e["environment"]: (e["state"], e["volume"]) for e in contained.json("status")["environments"]}
    assert states["production"] == ("running", "inventory_data_prod")
    assert not (contained.root / "compose.production.yaml").exists()


WRITING = (
    ("up",),
    ("up", "test", "--accept-new-identity", "--yes"),
    ("reseed", "--fresh-start"),
    ("backup", "verify", "--restore"),
    ("pre", "--fresh-start"),
    ("run", "do it", "--fresh-start", "--allow-dirty"),
)


def pointed(text: str, **changes: str) -> str:
    """The settings with other lines under [test]; an empty one takes the line away."""
    head, _, rest = text.partition("[test]")
    own, _, others = rest.partition("\n[")
    lines = [line for line in own.splitlines() if line.split(" =")[0] not in changes]
    return f"{head}[test]" + "\n".join([*lines, *(f"{k} = {v}" for k, v in changes.items() if v)]) + f"\n[{others}"


def test_the_containers_are_apart_and_no_way_leads_test_to_production(
    contained: Project, docker: DockerForTests
) -> None:
    contained.run("up")
    contained.psql("production", INVENTORY)
    contained.configure("build")
    contained.agent("build", f"touch {contained.scripts}/must-not-run")
    contained.run("backup", "create")
    contained.run("reseed", "--fresh-start")
    document = contained.run("check", "--before", "--json", code=1).document
    apart = {one["name"]: one for one in document["lines"] if one["name"].startswith("separation/")}
    assert {n: one["outcome"] for n, one in apart.items() if n != "separation/ports"} == dict.fromkeys(
        set(apart) - {"separation/ports"}, "holds"
    ), apart
    assert {"separation/containers", "separation/reach-network", "separation/storage"} <= set(apart)
    assert len(apart["separation/reach-network"]["evidence"]) >= 4, "the gateway of the test network is tried, too"

    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    inside = docker.lines("inspect", "-f", template, "inventory-db-prod")[0]
    password, port = contained.password("test"), contained.ports["production"]
    contained.sql(
        "production",
        f"CREATE ROLE inventory_test SUPERUSER LOGIN PASSWORD '{password}'",
        "CREATE DATABASE inventory_test TEMPLATE inventory",
        "ALTER DATABASE inventory_test SET ringfence.environment = 'test'",
        "ALTER DATABASE inventory_test SET ringfence.project = 'inventory'",
        database="postgres",
    )
    text, passwords = contained.config.read_text(), contained.pgpass.read_text()
    server = {"engine": '"server"', "db_port": "", "container": "", "volume": "", "image": ""}
    url = "postgresql://inventory_test@{}/inventory_test"
    ways = {
        "its published port": server | {"url": f'"{url.format(f"127.0.0.1:{port}")}"'},
        "its published port, by name": server | {"url": f'"{url.format(f"localhost:{port}")}"'},
        "its address on its own network": server | {"url": f'"{url.format(f"{inside}:5432")}"'},
        "its container": {"container": '"inventory-db-prod"', "volume": '"inventory_data_prod"'},
    }
    before, databases = contained.contents("production"), contained.databases("production")
    for name, changes in ways.items():
        contained.config.write_text(pointed(text, **changes))
        hosts = (f"127.0.0.1:{port}", f"localhost:{port}", f"{inside}:5432")
        contained.pgpass.write_text(passwords + "".join(f"{h}:*:inventory_test:{password}\n" for h in hosts))
        for words in WRITING:
            assert len(contained.refused(*words, code=7)) > 40, (name, words)
        assert contained.databases("production") == databases and contained.contents("production") == before, name
    contained.config.write_text(text)
    contained.pgpass.write_text(passwords)
    assert not (contained.scripts / "must-not-run").exists()
