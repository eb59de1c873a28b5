"""A project in two containers: the whole workflow, and the strategy's own recovery commands word for word."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.pages import sections
from tests.acceptance.project import INVENTORY, SYSTEM_PATH, Project, new_project, programs, wait_for
from tests.acceptance.runs import PRICES, go, resolve, steps
from tests.dockerd import DockerForTests

from ringfence.sandbox import bubblewrap

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
    environment = {**docker.environment, **project.environment, **variables}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def checked(project: Project, *words: str) -> dict[str, str]:
    """The lines of ``check`` with their outcomes."""
    return {one["name"]: one["outcome"] for one in project.json("check", *words, code=1)["lines"]}


def test_the_whole_workflow_in_containers(contained: Project, docker: DockerForTests) -> None:
    """In the sandbox where this machine has one, from which production and the engine cannot be reached."""
    said = contained.run("up").said
    assert "made container inventory-db-prod" in said and "made container inventory-db-test" in said
    contained.psql("production", INVENTORY)
    again = contained.json("up")["environments"]
    assert [(e["environment"], e["engine"], e["state"], e["changes"]) for e in again] == [
        ("production", "docker", "running", []),
        ("test", "docker", "running", []),
    ]
    assert (again[0]["container"], again[0]["volume"]) == ("inventory-db-prod", "inventory_data_prod")
    enclosed = bubblewrap.find() is not None
    initial = contained.base / "ringfence.toml.init"
    text = initial.read_text().replace("[sandbox]\n", f'[sandbox]\nallow_read = ["{contained.scripts}"]\n')
    initial.write_text(text.replace('mode = "none"', 'mode = "auto"') if enclosed else text)
    contained.configure("build")

    look = "psql -qc 'DELETE FROM \"Transaction\" WHERE id > 50'\necho '# done' >> app.py"
    if enclosed:
        look += f"\n! {contained.production_psql(PRICES)}\n! docker ps"
    contained.agent("build", look)
    run = go(contained, "Cut the range", "--fresh-start")
    assert (run["outcome"], run["verdict"]["verdict"]) == ("passed", "unchanged"), run["reasons"]
    assert {"agent build done", f"sandbox {'done' if enclosed else 'skipped'}"} <= set(steps(run))
    assert contained.sql("test", 'SELECT count(*) FROM "Transaction"') == [(50,)]
    before = contained.contents("production")
    assert before["public.SKU"][0] == 100

    found = checked(contained, "--before")
    apart = {name: outcome for name, outcome in found.items() if name.startswith("separation/")}
    assert {"separation/containers", "separation/reach-network", "separation/storage"} <= set(apart)
    assert set(apart.values()) - {apart.pop("separation/ports")} <= {"holds"}, apart
    found = checked(contained, "--after")
    assert (found["after/production-unchanged"], found["after/test-changed"]) == ("holds", "holds"), found

    halted = go(contained, "Look at the prices", command="pre")
    contained.sql("production", PRICES)
    halted = contained.json("post", code=3)["run"]
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
    """Every block of the page, in its order, with this machine's ports and image."""
    contained.config.unlink()
    (contained.root / "compose.production.yaml").unlink(missing_ok=True)
    path = [str(Path(sys.executable).parent), str(programs().directory), SYSTEM_PATH]
    contained.environment["PATH"] = ":".join(path)
    # The tests' own engine has no default network; that is the only difference to the page.
    docker.run("network", "create", "inventory-net-prod")
    for language, block in sections("existing-docker-project.md"):
        if language == "toml":
            with contained.config.open("a") as file:
                file.write(f"\n{block}")
            continue
        text = block.replace("postgres:17", docker.image).replace("4546", str(contained.ports["production"]))
        for line in text.splitlines():
            done = shell(contained, docker, line.replace("docker run", "docker run --network inventory-net-prod"))
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            if line.startswith("docker run"):
                wait_for(
                    lambda: docker.run("exec", NAMES[0], "pg_isready", "-h", "127.0.0.1", check=False).returncode == 0,
                    "the container that was there",
                )
                line = f'docker exec {NAMES[0]} psql -U postgres -d inventory -c "CREATE TABLE item AS SELECT 1 AS id"'
                assert shell(contained, docker, line).returncode == 0
            elif " init " in line:
                told = f"taken from it: db_port {contained.ports['production']}, volume inventory_data_prod, database"
                assert told in done.stdout + done.stderr
                text = contained.config.read_text().replace("2346\n", f"{contained.ports['test']}\n")
                assert text.count(f'image = "{docker.image}"') == 2, "test has the image that production has"
                contained.config.write_text(text if bubblewrap.find() else text.replace('"auto"', '"none"'))
                (contained.root / "compose.test.yaml").unlink()  # made for the page's port
                assert "nobody agreed" in contained.refused("up", code=7)
    states = {e["environment"]: (e["state"], e["volume"]) for e in contained.json("status")["environments"]}
    assert states["production"] == ("running", "inventory_data_prod")
    assert not (contained.root / "compose.production.yaml").exists()
    assert contained.json("runs")["runs"][0]["outcome"] == "passed"
    assert "notes.txt" in contained.files_of("HEAD")
